// The state of one device of one generation in a capture: its description, verdicts, counts, and relations to other
// devices.
//
// No system calls. Not thread-safe: guarded by SelectionTable's lock.
#pragma once

#include <memory>
#include <optional>

#include "core/bpf/dedupe.h"
#include "core/ledger/interface_counts.h"
#include "core/ledger/verdict_history.h"
#include "core/links/device_table.h"
#include "core/links/interface_book.h"

namespace ringtap {

class TrackedInterface {
 public:
  // `verdict` and `losses`: the verdict and the device's counters at `epoch`.
  TrackedInterface(InterfaceDescription interface, std::uint64_t epoch, Verdict verdict,
                   const std::optional<DeviceLosses>& losses)
      : description(std::move(interface)), verdicts(epoch, verdict, losses), addedAt_(epoch), losses_(losses) {}

  [[nodiscard]] const InterfaceInfo& info() const { return *description; }
  [[nodiscard]] bool present() const { return present_; }
  // The epoch of the event that added the device.
  [[nodiscard]] std::uint64_t addedAt() const { return addedAt_; }

  // After leave(): its `position`.
  [[nodiscard]] const RingPosition& leftAt() const { return leftAt_; }

  // Call it once, with the previous device of the same index; see InterfaceCounts::follow.
  static void follow(const std::shared_ptr<TrackedInterface>& next, const std::shared_ptr<TrackedInterface>& before);
  // The device was removed; blocks up to `position` may hold packets of it. `losses`: its final counters.
  void leave(const KernelCounts& kernel, const std::optional<DeviceLosses>& losses, const RingPosition& position);

  // Stores the device's counters as the kernel has just reported them; nullopt if it does not report them.
  void updateLosses(const std::optional<DeviceLosses>& losses) { losses_ = losses; }
  // Whether the ledger shows losses of the device that only updateLosses() can bring up to date. `lines`: whether
  // report() gets the device's line.
  [[nodiscard]] bool needsLosses(bool lines) const {
    return present_ && verdicts.lossesAtSelection() && !(lines && lineSuffices(info()));
  }

  // `kernel`: the present counters of the kernel's filter; ignored after leave(). `line`: the device's present line in
  // the device table; without it, its losses are those of the last updateLosses().
  [[nodiscard]] InterfaceStats report(const KernelCounts& kernel, const DeviceLine* line = nullptr) const;

  InterfaceDescription description;
  VerdictHistory verdicts;
  InterfaceCounts counts;
  RingPosition refilterUntil;  // blocks up to here may hold packets to which the user's filter was not applied
  DedupeRelation relation;     // to the present devices;
  Moment relatedFrom;          // applies to packets received after this

 private:
  bool present_ = true;
  RingPosition leftAt_;
  const std::uint64_t addedAt_;
  std::optional<DeviceLosses> losses_;  // as last reported; after leave(): the final ones
};

}  // namespace ringtap
