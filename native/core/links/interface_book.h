// The history of a namespace's interfaces: the present and former devices and their descriptions over time. It alone
// maps the interface index of a packet to a device and a name; the ledger, the recorder and JavaScript read it.
//
// A device is identified by its index and generation (InterfaceId), because the kernel reuses indexes. Each event of
// the monitor begins an epoch, counted from 1; devices present at the start belong to epoch 0. A block carries the
// epoch that was current when it was taken out of its ring.
//
// A packet gets the description that its interface had when the packet was received. The kernel reports no time with a
// change, so the time at which the event was read is used: a packet received after a rename but before the event is
// read gets the old name. One case is exact: a device that is down receives nothing, so a change made while it is down
// applies to all packets received after it was last up.
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

// The description of an interface between two events. Immutable and shared.
using InterfaceDescription = std::shared_ptr<const InterfaceInfo>;

// An event, with the epoch that it begins.
struct BookedEvent {
  std::uint64_t epoch = 0;
  InterfaceChange change = InterfaceChange::Changed;
  InterfaceDescription current;   // for Removed: the last description
  InterfaceDescription previous;  // for Renamed and Changed: the description before the change; else null
  Moment from;                    // `current` applies to packets received after this
  std::optional<DeviceLosses> losses = {};
};

// A block, and the epoch in which it was taken.
struct BlockOrigin {
  BlockNumber block;
  std::uint64_t epoch = 0;
};

class InterfaceBook {
 public:
  // Adds a device that was present at the start.
  InterfaceDescription add(const InterfaceInfo& info);
  // Adds the events of one read of the monitor. `now`: the time of that read, and the last blocks that may hold packets
  // received before it.
  std::vector<BookedEvent> enter(const std::vector<InterfaceEvent>& events, const Moment& now);
  // The epoch of the last event.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

  enum class Presence { Unknown, Present, Gone };
  [[nodiscard]] Presence presence(std::uint32_t index) const;
  // The latest device with this index, present or removed. Null if there is none.
  [[nodiscard]] InterfaceDescription latest(std::uint32_t index) const;
  // The latest description of this device, also if its index is in use again. Null if the book does not have it (any
  // more).
  [[nodiscard]] InterfaceDescription latest(InterfaceId device) const;

  // The interface of a packet with this index and timestamp; a nameless one if none is known.
  [[nodiscard]] InterfaceDescription resolve(std::uint32_t index, const BlockOrigin& origin,
                                             std::uint64_t timestamp) const;
  // The possible results of resolve() for packets of this index in a block. Latest first, never empty: a packet belongs
  // to the first candidate whose `since` is earlier than its timestamp, or else to the last candidate.
  struct Candidate {
    InterfaceDescription interface;
    std::uint64_t since = 0;
  };
  [[nodiscard]] std::vector<Candidate> candidates(std::uint32_t index, const BlockOrigin& origin) const;
  // True if every index stands for the same description throughout the block.
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
    Moment lastUp;  // when the present device last went down: it receives nothing until it is up again
  };

  BookedEvent enterOne(const InterfaceEvent& event, const Moment& now);
  void remove(std::uint32_t index);
  template <typename Visit>
  void visitCandidates(std::uint32_t index, const BlockOrigin& origin, Visit&& visit) const;

  mutable std::mutex mutex_;
  std::atomic<std::uint64_t> epoch_{0};
  std::unordered_map<std::uint32_t, Page> pages_;  // by index
  std::deque<std::uint32_t> gone_;                 // oldest first, a bounded number
  RingPosition latest_;                            // later blocks hold only packets received after the last event
};

}  // namespace ringtap
