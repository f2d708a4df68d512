// What waits between the capture loop and JavaScript: interface events, and blocks in the order they were taken.
//
// Thread-safe: the loop pushes, JavaScript's thread pulls. A block is only given out once every event that came before
// it has been taken, so that its interfaces are known and decided.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "core/ledger/lease.h"
#include "core/links/interface_book.h"
#include "core/util/result.h"

namespace ringtap {

struct QueuedEvent {
  BookedEvent event;
  std::optional<bool> selected;  // the verdict; nothing where JavaScript is to give it, or the event asks for none
};

class ChunkQueue {
 public:
  // `wake` is called from the loop's thread, without a lock held, when JavaScript should look: once per burst.
  explicit ChunkQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  // The loop's side.
  void push(Lease lease);
  void push(QueuedEvent event);
  void push(Error fault);  // to be reported to the user; the capture goes on
  void finish();           // no block comes any more
  [[nodiscard]] bool finished() const;
  // No more events may wait: the loop leaves further ones to the kernel, whose own queue ends in a resync.
  [[nodiscard]] bool crowded() const;

  // JavaScript's side.
  [[nodiscard]] std::optional<QueuedEvent> nextEvent();
  [[nodiscard]] std::optional<Error> nextFault();
  enum class Next { Block, EventsFirst, Empty, Finished };
  // With Empty, the wake-up is armed: the next block calls `wake`.
  Next nextBlock(std::optional<Lease>& out);
  // The epoch of the last event that JavaScript took.
  [[nodiscard]] std::uint64_t seenEpoch() const;
  // Blocks pushed, and blocks given out, so far.
  [[nodiscard]] std::uint64_t pushed() const;
  [[nodiscard]] std::uint64_t givenOut() const;
  // Releases the blocks that wait, and drops the events.
  void clear();

 private:
  mutable std::mutex mutex_;
  std::function<void()> wake_;
  std::deque<QueuedEvent> events_;
  std::deque<Error> faults_;
  std::deque<Lease> blocks_;
  std::uint64_t seenEpoch_ = 0;  // of the last event JavaScript took
  bool armed_ = false;           // JavaScript waits for a block
  bool woken_ = false;           // it was woken for events or faults and has not taken any yet
  bool finished_ = false;
  std::uint64_t pushed_ = 0;
};

}  // namespace ringtap
