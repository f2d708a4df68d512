#include "core/ledger/kernel_verdicts.h"

namespace ringtap {

void KernelVerdicts::set(const TrackedInterface& tracked) {
  if (!filter_) return;
  const InterfaceInfo& info = tracked.info();
  switch (tracked.verdicts.now()) {
    case Verdict::Pending: filter_->acceptForNow(info.index, info.hardwareType); break;
    case Verdict::Selected: filter_->accept(info.index, info.hardwareType); break;
    case Verdict::Unselected:
      if (hotplug_ && !info.isUp()) filter_->refuseOnceUp(info.index, info.hardwareType);
      else filter_->refuse(info.index, info.hardwareType);
      break;
  }
}

void KernelVerdicts::relate(const TrackedInterface& tracked) {
  if (filter_) filter_->relate(tracked.info().index, tracked.relation);
}

void KernelVerdicts::forget(std::uint32_t index) {
  if (filter_) filter_->forget(index);
}

Result<> KernelVerdicts::commit() { return filter_ && !closed_ ? filter_->commit() : Result<>{}; }

Result<> KernelVerdicts::replace(const FilterSpec& spec) {
  return filter_ && !closed_ ? filter_->replace(spec) : Result<>{};
}

Result<> KernelVerdicts::mark(const Connection& connection, CutoffMark mark) {
  return filter_ && !closed_ ? filter_->mark(connection, mark) : Result<>{};
}

Result<> KernelVerdicts::close(const std::function<Result<>()>& refuseAll) {
  closed_ = true;
  return refuseAll();
}

KernelCounts KernelVerdicts::counts(std::uint32_t index) const {
  return filter_ ? KernelCounts{filter_->accepted(index), filter_->duplicates(index), filter_->beyondCutoff(index),
                                filter_->sampledOut(index)}
                 : KernelCounts{};
}

}  // namespace ringtap
