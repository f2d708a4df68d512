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
  losses_ = losses;
  leftAt_ = position;
  refilterUntil = position;  // the kernel's filter then treats the index as unlisted
  counts.leave(kernel, position);
}

InterfaceStats TrackedInterface::report(const KernelCounts& kernel, const DeviceLine* line) const {
  InterfaceStats one = counts.stats;
  one.index = info().index;
  one.generation = info().generation;
  one.name = info().name;
  one.present = present_;
  one.selected = verdicts.now() == Verdict::Selected;
  counts.report(kernel, one);
  const auto& before = verdicts.lossesAtSelection();
  if (!before || !losses_) return one;
  const bool fresh = present_ && line != nullptr && lineSuffices(info());
  one.losses = (fresh ? line->completedWith(*losses_) : *losses_).since(*before);
  return one;
}

}  // namespace ringtap
