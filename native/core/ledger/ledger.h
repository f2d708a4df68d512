// The counts of all packets of a capture. A packet that is taken from a ring is entered once as what became of it,
// under its interface and in the totals.
//
// No system calls. Not thread-safe: guarded by SelectionTable's lock.
#pragma once

#include <cstdint>

#include "core/ledger/interface_counts.h"
#include "core/ledger/taken_block.h"

namespace ringtap {

class Ledger {
 public:
  // Sums over all interfaces, those that are gone included; see InterfaceStats.
  struct Totals {
    std::uint64_t delivered = 0, bytes = 0, droppedByRecorder = 0, unselected = 0, truncated = 0, queued = 0;
    std::uint64_t droppedByOverflow = 0, lateRefused = 0, malformed = 0;
    std::uint64_t duplicates = 0, beyondCutoff = 0, sampledOut = 0;
  };
  // Delivered; or dropped by the recorder that a block was for, or from the queue because JavaScript did not read it.
  enum class Outcome { Delivered, DroppedByRecorder, DroppedByOverflow };

  // A packet that the kernel accepted is refused: by the filter, by the sampling, or as a duplicate.
  void refuse(InterfaceCounts& counts);
  void refuseSampledOut(InterfaceCounts& counts);
  void refuseDuplicate(InterfaceCounts& counts);
  // A packet of an interface that is not selected.
  void leaveOut(InterfaceCounts& counts);
  // A block was taken, and its packets wait.
  void queue(const TakenBlock& taken);
  // A packet that waited is refused: by the filter, or by the sampling alone. `counts`: as for retract().
  void refuseQueued(InterfaceCounts* counts, bool sampledOut);
  // The packets of a block with applied verdicts wait no longer.
  void enter(const TakenBlock& taken, Outcome outcome);
  // Packets that were entered as delivered did not reach their reader: they count as dropped by overflow. `counts`: of
  // their interface; null if it is not known any more.
  void retract(InterfaceCounts* counts, std::uint64_t packets, std::uint64_t bytes, std::uint64_t truncated);
  // The kernel's counts of a device that was removed.
  void add(const KernelCounts& counts);

  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  Totals totals_;
};

}  // namespace ringtap
