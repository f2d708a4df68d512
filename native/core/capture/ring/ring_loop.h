// The thread that takes blocks out of one ring, in order, and keeps free blocks available to the kernel.
//
// Owned by the RingIntake, which calls start() and stop() as the capture opens and closes; the rest is thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/capture/intake/intake.h"
#include "core/capture/ring/ring.h"
#include "core/capture/ring/ring_block.h"
#include "core/ledger/drop_causes.h"
#include "core/linux/loop_thread.h"
#include "core/util/rounds.h"

namespace ringtap {

class RingLoop {
 public:
  // `number`: of the ring in the capture. The loop with number 0 reads the interface events.
  RingLoop(std::uint32_t number, std::shared_ptr<Ring> ring, IntakeContext context, std::uint32_t maxDelayMilliseconds,
           std::function<void()> onDrained);
  ~RingLoop();

  // `processor`: the only one that the thread runs on.
  Result<> start(std::optional<std::uint32_t> processor = std::nullopt);
  // Stops and joins the thread.
  void stop();
  // Calls onDrained, once, when every packet that the ring has accepted so far is in the queue. The ring's filter must
  // accept nothing any more.
  void drain();
  // Wakes the loop: there may be room in the overflow memory or in the event queue.
  void nudge() { thread_.nudge(); }
  // Blocks until the loop has taken the blocks that are ready, and made room for others if it can.
  void awaitRoom();

  // The number of the last block that may contain packets received before this call.
  [[nodiscard]] std::uint64_t ringPosition() const { return blocksTaken_ + ring_->blockCount() + 1; }
  // Packets accepted by the ring and not dropped, and packets taken out of it.
  [[nodiscard]] std::uint64_t entered() const;
  [[nodiscard]] std::uint64_t taken() const { return recordsTaken_; }
  [[nodiscard]] LoopStats stats();

 private:
  void run();
  void takeBlocks();
  void makeRoom();
  bool setStarved(bool starved);  // returns whether it changed
  void reportSocketError();
  [[nodiscard]] RingBlock* held(std::uint32_t ahead);

  const std::uint32_t number_;
  std::shared_ptr<Ring> ring_;
  IntakeContext context_;
  const std::uint32_t maxDelayMilliseconds_;
  std::function<void()> onDrained_;
  LoopThread thread_;
  Rounds rounds_;

  // Used by the loop's thread only.
  std::uint32_t cursor_ = 0;                        // the next block to take
  std::vector<std::shared_ptr<RingBlock>> inHand_;  // by block index
  bool netlinkReady_ = false;                       // events were left unread because too many are queued
  bool unmapped_ = false;                           // the ring could not be mapped again

  std::atomic<std::uint64_t> blocksTaken_{0};
  std::atomic<std::uint64_t> recordsTaken_{0};
  std::atomic<std::uint64_t> evicted_{0};
  std::atomic<bool> draining_{false};
  DropCauses dropCauses_;
};

}  // namespace ringtap
