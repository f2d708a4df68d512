#include "core/capture/intake/promiscuity.h"

#include <cerrno>

namespace ringtap {

Result<> Promiscuity::follow(InterfaceId device, bool captured) {
  std::lock_guard lock(mutex_);
  const auto found = times_.find(device);
  if (captured == (found != times_.end())) return {};
  for (std::uint32_t times = captured ? 1 : found->second; times > 0; --times) {
    if (auto set = set_(device.index, captured); !set) {
      if (set.error().number == ENODEV) return {};
      return set;
    }
  }
  if (captured) times_.emplace(device, 1);
  else times_.erase(found);
  return {};
}

void Promiscuity::forget(InterfaceId device) {
  std::lock_guard lock(mutex_);
  times_.erase(device);
}

void Promiscuity::renew() {
  std::lock_guard lock(mutex_);
  for (auto& [device, times] : times_) {
    if (set_(device.index, true)) ++times;  // else it was removed, and that event is still to be read
  }
}

}  // namespace ringtap
