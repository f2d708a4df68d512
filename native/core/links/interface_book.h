// The book of interfaces: which devices a network namespace has and has had, and under which name at which time. The
// one place that decides which device, and which name, the interface index of a packet stands for; the ledger, the
// recorder and JavaScript read it.
//
// A device is identified by its index and generation (InterfaceId): the kernel uses an index again. Each event of the
// monitor begins an epoch, counted from 1; what was present at the start belongs to epoch 0. A block carries the epoch
// that was current when it was taken out of its ring.
//
// A packet belongs to the interface as it was when the packet was received. The kernel reports no time with a change,
// so the moment at which the event was read stands for it: a packet received between a rename and its reading shows the
// old name. One case is exact: a device that is down receives nothing, so what is changed while it is down holds for
// everything it receives after it was last up.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/block/ring_position.h"
#include "core/links/interface_info.h"

namespace ringtap {

// What an interface was between two events. Immutable, and one object for all who hold it.
using InterfaceDescription = std::shared_ptr<const InterfaceInfo>;

// An event as the book has it.
struct BookedEvent {
  std::uint64_t epoch = 0;
  InterfaceChange change = InterfaceChange::Changed;
  InterfaceDescription current;   // for Removed: as it was last known
  InterfaceDescription previous;  // for Renamed and Changed: before; else null
  Moment from;                    // `current` holds for packets from after this
  std::optional<DeviceLosses> losses = {};
};

// A block, and the epoch in which it was taken.
struct BlockOrigin {
  BlockNumber block;
  std::uint64_t epoch = 0;
};

class InterfaceBook {
 public:
  // A device that was present at the start.
  InterfaceDescription add(const InterfaceInfo& info);
  // The events of one read of the monitor. `now`: the time of that read, and the last blocks that may hold packets from
  // before it.
  std::vector<BookedEvent> enter(const std::vector<InterfaceEvent>& events, const Moment& now);
  // Of the last event.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

  enum class Presence { Unknown, Present, Gone };
  [[nodiscard]] Presence presence(std::uint32_t index) const;
  // The latest device with this index, present or gone. Null where none is known.
  [[nodiscard]] InterfaceDescription latest(std::uint32_t index) const;

  // The interface a packet of that index and time belongs to. Where none is known: a nameless one.
  [[nodiscard]] InterfaceDescription resolve(std::uint32_t index, const BlockOrigin& origin,
                                             std::uint64_t timestamp) const;
  // The same for all packets of that index in a block. Latest first, never empty: a packet belongs to the first one
  // with an earlier `since` than its own timestamp, or else to the last one.
  struct Candidate {
    InterfaceDescription interface;
    std::uint64_t since = 0;
  };
  [[nodiscard]] std::vector<Candidate> candidates(std::uint32_t index, const BlockOrigin& origin) const;
  // No index changes its meaning from one packet of the block to the next.
  [[nodiscard]] bool isSteady(BlockNumber block) const;

 private:
  struct Entry {
    std::uint64_t epoch = 0;
    Moment from;
    InterfaceDescription interface;
  };
  struct Page {
    std::vector<Entry> entries;  // ascending epochs
    bool present = true;
    Moment lastUp;  // of the present device: nothing is received between this and its being set up again
  };

  BookedEvent enterOne(const InterfaceEvent& event, const Moment& now);
  void remove(std::uint32_t index);
  template <typename Visit>
  void visitCandidates(std::uint32_t index, const BlockOrigin& origin, Visit&& visit) const;

  mutable std::mutex mutex_;
  std::atomic<std::uint64_t> epoch_{0};
  std::unordered_map<std::uint32_t, Page> pages_;  // by index
  std::deque<std::uint32_t> gone_;                 // oldest first, a bounded number
  RingPosition latest_;                            // blocks after this are from after the last event
};

}  // namespace ringtap
