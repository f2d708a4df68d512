// Keeps the kernel's filter in line with the verdicts on interfaces, from attach until the capture ends.
//
// No lock: SelectionTable keeps it under its own.
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

  // From here on verdicts reach the kernel. Before that, set() and relate() have no effect.
  void use(std::unique_ptr<KernelFilter> filter) { filter_ = std::move(filter); }
  // After use().
  [[nodiscard]] FilterMode filterMode() const { return filter_->filterMode(); }
  [[nodiscard]] bool unlistedPassUnfiltered() const { return filter_ && filter_->unlistedPassUnfiltered(); }

  // The verdict that is now on this interface. In force with commit() at the latest.
  void set(const TrackedInterface& tracked);
  void relate(const TrackedInterface& tracked);
  // The device is gone.
  void forget(std::uint32_t index);
  Result<> commit();
  // As KernelFilter::replace().
  Result<> replace(const FilterSpec& spec);
  // No verdict reaches the kernel from here on; `refuseAll` makes the sockets refuse everything instead.
  Result<> close(const std::function<Result<>()>& refuseAll);

  [[nodiscard]] KernelCounts counts(std::uint32_t index) const;

 private:
  const bool hotplug_;
  std::unique_ptr<KernelFilter> filter_;
  bool closed_ = false;
};

}  // namespace ringtap
