// The thread that takes blocks out of one ring, in order, and keeps the kernel supplied with free ones.
//
// Owner: the Capture. start() and stop() belong to its opening and closing; the rest is thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/capture/intake/intake.h"
#include "core/capture/ring/ring.h"
#include "core/capture/ring/ring_block.h"
#include "core/ledger/drop_causes.h"
#include "core/util/loop_thread.h"

namespace ringtap {

class RingLoop {
 public:
  // `number`: which ring of the capture. The loop with number 0 reads the news of interfaces.
  RingLoop(std::uint32_t number, std::shared_ptr<Ring> ring, IntakeContext context, std::uint32_t maxDelayMilliseconds,
           std::function<void()> onDrained);
  ~RingLoop();

  Result<> start();
  // Ends the thread.
  void stop();
  // Says when every packet that the ring accepted before now is in the queue: calls onDrained, once. The ring's filter
  // must accept nothing any more.
  void drain();
  // Something may have changed that it waits for: room in the overflow memory, or for events.
  void nudge() { thread_.nudge(); }

  // The number of the last block that may hold packets from before now.
  [[nodiscard]] std::uint64_t ringPosition() const { return blocksTaken_ + ring_->blockCount() + 1; }
  // Packets that are in the ring or have been, and packets taken out of it.
  [[nodiscard]] std::uint64_t entered() const;
  [[nodiscard]] std::uint64_t taken() const { return recordsTaken_; }
  [[nodiscard]] LoopStats stats();

 private:
  void run();
  void takeBlocks();
  void makeRoom();
  bool setStarved(bool starved);  // true where that is a change
  void reportSocketError();
  [[nodiscard]] RingBlock* held(std::uint32_t ahead);

  const std::uint32_t number_;
  std::shared_ptr<Ring> ring_;
  IntakeContext context_;
  const std::uint32_t maxDelayMilliseconds_;
  std::function<void()> onDrained_;
  LoopThread thread_;

  // The thread's own.
  std::uint32_t cursor_ = 0;                        // the block to be taken next
  std::vector<std::shared_ptr<RingBlock>> inHand_;  // by block
  bool netlinkReady_ = false;                       // left unread because too many events wait

  std::atomic<std::uint64_t> blocksTaken_{0};
  std::atomic<std::uint64_t> recordsTaken_{0};
  std::atomic<std::uint64_t> evicted_{0};
  std::atomic<bool> draining_{false};
  DropCauses dropCauses_;
};

}  // namespace ringtap
