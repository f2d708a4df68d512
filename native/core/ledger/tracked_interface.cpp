#include "core/ledger/tracked_interface.h"

namespace ringtap {

void TrackedInterface::follow(const std::shared_ptr<TrackedInterface>& next,
                              const std::shared_ptr<TrackedInterface>& before) {
  // Aliasing pointers: the counts live as long as their interface.
  next->counts.follow(before ? std::shared_ptr<InterfaceCounts>(before, &before->counts) : nullptr);
}

void TrackedInterface::leave(const KernelCounts& kernel, const std::optional<DeviceLosses>& losses,
                             const RingPosition& position) {
  present_ = false;
  lossesAtEnd_ = losses;
  refilterUntil = position;  // the kernel's filter then treats the index as unlisted
  counts.leave(kernel, position);
}

InterfaceStats TrackedInterface::report(const KernelCounts& kernel, const std::optional<DeviceLosses>& losses) const {
  InterfaceStats one = counts.stats;
  one.index = info().index;
  one.generation = info().generation;
  one.name = info().name;
  one.present = present_;
  one.selected = verdicts.now() == Verdict::Selected;
  counts.report(kernel, one);
  const std::optional<DeviceLosses>& latest = present_ ? losses : lossesAtEnd_;
  if (verdicts.lossesAtSelection() && latest) one.losses = latest->since(*verdicts.lossesAtSelection());
  return one;
}

}  // namespace ringtap
