// The thread that takes blocks out of one ring, in order, and keeps the kernel supplied with free ones.
//
// Owner: the Capture. start() and stop() belong to its opening and closing; the rest is thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/chunk_queue.h"
#include "core/interface_feed.h"
#include "core/lease.h"
#include "core/overflow_memory.h"
#include "core/ring.h"
#include "core/selection_table.h"

namespace ringtap {

// What the ring lost, by cause: the consumer was so slow that the overflow memory was used up (`overflow`), or packets
// came faster than blocks could be freed (`ring`).
struct LoopFigures {
  std::uint64_t packets = 0;  // accepted by the filter
  std::uint64_t ringDrops = 0;
  std::uint64_t overflowDrops = 0;
  std::uint64_t freezes = 0;
  std::uint64_t evicted = 0;  // blocks copied out
};

class RingLoop {
 public:
  struct Rooms {
    SelectionTable& table;
    ChunkQueue& queue;
    InterfaceFeed& feed;
    std::shared_ptr<OverflowMemory> overflow;
  };
  // `number`: which ring of the capture. The loop with number 0 reads the news of interfaces.
  RingLoop(std::uint32_t number, std::shared_ptr<Ring> ring, Rooms rooms, std::uint32_t retireMilliseconds,
           std::function<void()> onDrained);
  ~RingLoop();

  Result<> start();
  // Ends the thread.
  void stop();
  // Says when every packet that the ring accepted before now is in the queue: calls onDrained, once. The ring's filter
  // must accept nothing any more.
  void drain();
  // Something may have changed that it waits for: room in the overflow memory, or for events.
  void nudge();

  // The number of the last block that may hold packets from before now.
  [[nodiscard]] std::uint64_t horizon() const { return blocksTaken_ + ring_->blockCount() + 1; }
  // Packets that are in the ring or have been, and packets taken out of it.
  [[nodiscard]] std::uint64_t entered() const;
  [[nodiscard]] std::uint64_t taken() const { return recordsTaken_; }
  [[nodiscard]] LoopFigures figures();

 private:
  void run();
  void takeBlocks();
  void makeRoom();
  bool setStarved(bool starved);  // true where that is a change
  void reportSocketError();
  [[nodiscard]] HeldBlock* held(std::uint32_t ahead);

  const std::uint32_t number_;
  std::shared_ptr<Ring> ring_;
  Rooms rooms_;
  const std::uint32_t retireMilliseconds_;
  std::function<void()> onDrained_;
  UniqueFd epoll_;
  UniqueFd eventfd_;
  std::thread thread_;

  // The thread's own.
  std::uint32_t cursor_ = 0;                        // the block to be taken next
  std::vector<std::shared_ptr<HeldBlock>> inHand_;  // by block
  bool newsWaits_ = false;                          // left unread because too many events wait

  std::atomic<std::uint64_t> blocksTaken_{0};
  std::atomic<std::uint64_t> recordsTaken_{0};
  std::atomic<std::uint64_t> evicted_{0};
  std::atomic<bool> ending_{false};
  std::atomic<bool> draining_{false};

  // Which cause a drop has is told by when it happened: while the overflow memory was refused, or else.
  std::mutex starvedMutex_;
  bool starved_ = false;
  std::uint64_t dropsWhenStarved_ = 0;
  std::uint64_t overflowDrops_ = 0;
};

}  // namespace ringtap
