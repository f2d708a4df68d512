#include "core/capture/ring/ring_owners.h"

#include <linux/filter.h>

#include <algorithm>

namespace ringtap {

void RingOwners::add(std::uint32_t interface) {
  if (std::ranges::count(owners_, interface) + std::ranges::count(waiting_, interface) > 0) return;
  const auto free = std::find(owners_.begin() + 1, owners_.end(), 0u);
  if (free == owners_.end()) {
    waiting_.push_back(interface);
    return;
  }
  *free = interface;
  changed_ = true;
}

void RingOwners::remove(std::uint32_t interface) {
  std::erase(waiting_, interface);
  const auto ring = std::find(owners_.begin() + 1, owners_.end(), interface);
  if (ring == owners_.end()) return;
  *ring = 0;
  if (!waiting_.empty()) {
    *ring = waiting_.front();
    waiting_.erase(waiting_.begin());
  }
  changed_ = true;
}

FilterProgram RingOwners::program() const {
  FilterProgram program{{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX)}};
  for (std::uint32_t ring = 1; ring < owners_.size(); ++ring) {
    if (owners_[ring] == 0) continue;
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, owners_[ring]});
    program.push_back({BPF_RET | BPF_K, 0, 0, ring});
  }
  program.push_back({BPF_RET | BPF_K, 0, 0, 0});
  return program;
}

}  // namespace ringtap
