// Passes the verdicts on interfaces to the kernel's filter, from its attachment until the capture ends.
//
// Not thread-safe: guarded by SelectionTable's lock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "core/bpf/kernel_filter.h"
#include "core/ledger/tracked_interface.h"
#include "core/util/result.h"

namespace ringtap {

class KernelVerdicts {
 public:
  // `hotplug`: a new name can change the verdict on an interface.
  explicit KernelVerdicts(bool hotplug) : hotplug_(hotplug) {}

  // Sets the kernel's filter. Before that, set() and relate() have no effect.
  void use(std::unique_ptr<KernelFilter> filter) { filter_ = std::move(filter); }
  // None before use().
  [[nodiscard]] FilterMode filterMode() const { return filter_ ? filter_->filterMode() : FilterMode::None; }
  [[nodiscard]] bool unlistedPassUnfiltered() const { return filter_ && filter_->unlistedPassUnfiltered(); }
  [[nodiscard]] bool passesUnfiltered(std::uint32_t index) const { return filter_ && filter_->passesUnfiltered(index); }

  // Passes on the interface's present verdict. In force after commit() at the latest.
  void set(const TrackedInterface& tracked);
  void relate(const TrackedInterface& tracked);
  // The device was removed.
  void forget(std::uint32_t index);
  Result<> commit();
  // See KernelFilter::replace().
  Result<> replace(const FilterSpec& spec);
  // See KernelFilter::mark().
  Result<> mark(const Connection& connection, CutoffMark mark);
  // Stops passing verdicts to the kernel; `refuseAll` makes the sockets refuse every packet instead.
  Result<> close(const std::function<Result<>()>& refuseAll);

  [[nodiscard]] KernelCounts counts(std::uint32_t index) const;

 private:
  const bool hotplug_;
  std::unique_ptr<KernelFilter> filter_;
  bool closed_ = false;
};

}  // namespace ringtap
