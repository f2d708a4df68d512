// The queue between the capture loops and JavaScript: interface events, and blocks in the order they were taken.
//
// Thread-safe: the loops push, JavaScript's thread pulls. A block is handed out only after all events that precede it
// have been taken, so that its interfaces are known and decided.
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
  std::optional<bool> selected;  // the verdict; nullopt if JavaScript has to decide, or the event needs no verdict
};

class ChunkQueue {
 public:
  // `wake` is called on the loop's thread, without the queue's lock, when JavaScript should pull: once per burst.
  explicit ChunkQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  // The loop's side.
  void push(Lease lease);
  void push(QueuedEvent event);
  void push(Error fault);  // for the user; the capture goes on
  void finish();           // no block follows
  [[nodiscard]] bool finished() const;
  // True if the limit of waiting events is reached. The loop then leaves further events in the kernel's socket queue;
  // if that overflows, the interfaces are read anew (resync).
  [[nodiscard]] bool crowded() const;

  // JavaScript's side.
  [[nodiscard]] std::optional<QueuedEvent> nextEvent();
  [[nodiscard]] std::optional<Error> nextFault();
  // Whether events or faults wait.
  [[nodiscard]] bool hasEvents() const;
  enum class Next { Block, EventsFirst, Empty, Finished };
  // Empty arms the wake-up: the next block calls `wake`.
  Next nextBlock(std::optional<Lease>& out);
  // Takes the oldest waiting block, without delivering it, unless events later than `epoch` precede it.
  [[nodiscard]] std::optional<Lease> takeOldest(std::uint64_t epoch);
  // Puts blocks back, oldest first, ahead of all that wait.
  void restore(std::deque<Lease> blocks);
  // The epoch of the last event taken by JavaScript.
  [[nodiscard]] std::uint64_t seenEpoch() const;
  // Blocks pushed, and blocks taken out, so far.
  [[nodiscard]] std::uint64_t pushed() const;
  [[nodiscard]] std::uint64_t givenOut() const;
  // Releases the waiting blocks and drops the events.
  void clear();

 private:
  mutable std::mutex mutex_;
  std::function<void()> wake_;
  std::deque<QueuedEvent> events_;
  std::deque<Error> faults_;
  std::deque<Lease> blocks_;
  std::uint64_t seenEpoch_ = 0;  // of the last event taken by JavaScript
  bool armed_ = false;           // JavaScript waits for a block
  bool woken_ = false;           // JavaScript was woken for events or faults and has taken none yet
  bool finished_ = false;
  std::uint64_t pushed_ = 0;
};

}  // namespace ringtap
