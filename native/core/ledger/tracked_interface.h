// One device of one generation as a capture keeps it: its description, the verdicts on it, its counts, and how it
// stands to other devices.
//
// No kernel, no lock: SelectionTable keeps these under its own.
#pragma once

#include <memory>
#include <optional>

#include "core/bpf/dedupe.h"
#include "core/ledger/interface_counts.h"
#include "core/ledger/verdict_history.h"
#include "core/links/interface_book.h"

namespace ringtap {

class TrackedInterface {
 public:
  // With the verdict of that epoch, and the device's counters then.
  TrackedInterface(InterfaceDescription interface, std::uint64_t epoch, Verdict verdict,
                   const std::optional<DeviceLosses>& losses)
      : description(std::move(interface)), verdicts(epoch, verdict, losses) {}

  [[nodiscard]] const InterfaceInfo& info() const { return *description; }
  [[nodiscard]] bool present() const { return present_; }

  // Once, for the device that had its index before it; see InterfaceCounts::follow.
  static void follow(const std::shared_ptr<TrackedInterface>& next, const std::shared_ptr<TrackedInterface>& before);
  // The device has gone, and blocks up to `position` may hold packets of it. `losses`: its counters, at the end.
  void leave(const KernelCounts& kernel, const std::optional<DeviceLosses>& losses, const RingPosition& position);

  // `kernel` and `losses`: what is counted now; ignored once the device has gone.
  [[nodiscard]] InterfaceStats report(const KernelCounts& kernel, const std::optional<DeviceLosses>& losses) const;

  InterfaceDescription description;
  VerdictHistory verdicts;
  InterfaceCounts counts;
  RingPosition refilterUntil;  // blocks up to here may hold packets that the user's filter has not seen
  DedupeRelation relation;     // to the devices that are present,
  Moment relatedFrom;          // about packets from after this

 private:
  bool present_ = true;
  std::optional<DeviceLosses> lossesAtEnd_;
};

}  // namespace ringtap
