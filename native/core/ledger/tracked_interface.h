// One device of one generation as a capture knows it: the verdicts on it over time, and its part of the ledger.
//
// Bookkeeping alone: no kernel, no lock. SelectionTable keeps these, under its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/bpf/dedupe.h"
#include "core/links/device_losses.h"
#include "core/links/interface_info.h"

namespace ringtap {

// What happened to the packets of one interface; delivered and unselected are settled when a block is handed out.
struct InterfaceStats {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  std::string name;
  bool present = true;
  bool selected = false;
  std::optional<std::uint64_t> received;  // accepted by the filter; not known in the classic form
  std::uint64_t taken = 0;                // found in blocks, before any decision
  std::uint64_t delivered = 0;
  std::uint64_t bytes = 0;              // captured bytes of the delivered ones
  std::uint64_t droppedByRecorder = 0;  // meant for a recorder alone, and not written
  std::uint64_t unselected = 0;
  std::uint64_t truncated = 0;
  std::uint64_t queued = 0;      // taken, not yet handed out
  std::uint64_t duplicates = 0;  // refused as such, here or by the kernel; no part of received and taken
  // What the device lost on its own since it was first selected; nothing where that never was, or is not known.
  std::optional<DeviceLosses> losses;
};

// A point in the stream of blocks: for each ring, the number of its last block before it.
using RingPosition = std::vector<std::uint64_t>;

[[nodiscard]] inline bool isBefore(const RingPosition& ringPosition, std::uint32_t ring, std::uint64_t number) {
  return ring < ringPosition.size() && number <= ringPosition[ring];
}

enum class Verdict : std::uint8_t { Pending, Selected, Unselected };

// An interface's index and generation.
using Device = std::pair<std::uint32_t, std::uint32_t>;

// What the kernel's filter has counted under the index of a device that is present (kernel_filter.h).
struct KernelCounts {
  std::optional<std::uint64_t> accepted;
  std::uint64_t duplicates = 0;
};

class TrackedInterface {
 public:
  // With the verdict at that epoch, and the device's counters then.
  TrackedInterface(InterfaceInfo description, std::uint64_t epoch, Verdict verdict,
                   const std::optional<DeviceLosses>& losses);

  // A decision, and what it is about: packets of later than `since` and not later than `until`, in nanoseconds since
  // 1970, as records have them.
  struct Decision {
    std::uint64_t epoch = 0;  // of the event that it answers
    Verdict verdict = Verdict::Pending;
    std::uint64_t since = 0;
    std::uint64_t until = ~std::uint64_t{0};
  };
  [[nodiscard]] Decision decisionOn(std::uint64_t timestamp) const;
  [[nodiscard]] Verdict now() const { return asked_.back().verdict; }
  // That of the epoch, or the last one before.
  [[nodiscard]] Verdict at(std::uint64_t epoch) const;
  // An event asks for a new decision, on packets of later than `time`. The oldest of many is forgotten: packets of its
  // time are judged by the next one then.
  void ask(std::uint64_t epoch, std::uint64_t time, const std::optional<DeviceLosses>& losses);
  // Nothing where that event asked for none, or it is forgotten.
  void answer(std::uint64_t epoch, bool selected);

  // Once, for the device that had its index before it. Packets are judged, and counted here, under the device that has
  // the index when they are taken. The kernel has counted them under the one that had it when they came: where a device
  // goes and comes back with its index (it was in another namespace for a moment), that may be the one before.
  void follow(std::shared_ptr<TrackedInterface> before);
  // `records` packets of the index were taken with this block: takes over the kernel's count of those that came before
  // it. Without losses exact: those of the devices before come first, and are all there. After losses, what was dropped
  // of these may be put down to this one instead.
  void inherit(std::uint32_t ring, std::uint64_t number, std::uint64_t records);

  // The device has gone, and blocks up to `horizon` may hold packets of it.
  void leave(const KernelCounts& counts, const std::optional<DeviceLosses>& losses, const RingPosition& ringPosition);
  [[nodiscard]] bool present() const { return present_; }

  // `counts` and `losses`: what is counted now; of no account once it has gone.
  [[nodiscard]] InterfaceStats report(const KernelCounts& counts, const std::optional<DeviceLosses>& losses) const;

  InterfaceInfo info;
  RingPosition refilterUntil;      // blocks up to here may hold packets that the user's filter has not seen
  DedupeRelation relation;         // to the devices that are present
  std::uint64_t relatedSince = 0;  // it is about packets of later than this
  std::uint64_t lateRefused = 0;  // of the packets the kernel counted as accepted: refused by the filter in user space,
                                  // or as duplicates
  InterfaceStats stats;           // the counts of what was done here; report() has the rest

 private:
  struct Asked {
    std::uint64_t epoch;
    Verdict verdict;
    std::uint64_t since;
    std::optional<DeviceLosses> losses;  // the device's counters at that time
  };

  // After it went: packets that the kernel counted and nobody has taken, be it that they were dropped.
  [[nodiscard]] std::uint64_t outstanding() const;

  std::vector<Asked> asked_;  // ascending epochs, never empty
  bool present_ = true;
  std::optional<std::uint64_t> receivedBefore_;  // the kernel's count when the device went
  RingPosition lastBlocks_;                      // then: blocks up to here may hold packets of it
  // Those before it that have packets left in the ring, the latest first; as these are taken, `inherited_` takes over
  // the kernel's count of them.
  std::shared_ptr<TrackedInterface> before_;
  std::uint64_t inherited_ = 0;
  bool everSelected_ = false;
  std::optional<DeviceLosses> lossesBefore_;  // the device's counters when it was first selected
  std::optional<DeviceLosses> lossesAtEnd_;   // when it went
};

}  // namespace ringtap
