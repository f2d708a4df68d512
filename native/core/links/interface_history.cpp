#include "core/links/interface_history.h"

#include <algorithm>

namespace ringtap {

namespace {

// Names of one device, and devices that went: blocks that wait need few.
constexpr std::size_t kMaxEntries = 64;
constexpr std::size_t kMaxGone = 4096;

}  // namespace

void InterfaceHistory::record(const InterfaceEvent& event, std::uint64_t epoch, std::uint64_t time) {
  const std::uint32_t index = event.current.index;
  std::lock_guard lock(mutex_);
  if (event.change == InterfaceChange::Removed) {
    gone_.push_back(index);
    if (gone_.size() <= kMaxGone) return;
    const std::uint32_t oldest = gone_.front();
    gone_.pop_front();
    // The index may be in use again, by a device that has not gone.
    if (std::find(gone_.begin(), gone_.end(), oldest) == gone_.end()) byIndex_.erase(oldest);
    return;
  }
  latest_ = std::max(latest_.load(), time);
  std::vector<Entry>& entries = byIndex_[index];
  entries.push_back({epoch, time, std::make_shared<const InterfaceInfo>(event.current)});
  if (entries.size() > kMaxEntries) entries.erase(entries.begin());
}

std::shared_ptr<const InterfaceInfo> InterfaceHistory::resolve(std::uint32_t index, std::uint64_t epoch,
                                                               std::uint64_t timestamp) const {
  std::lock_guard lock(mutex_);
  const auto found = byIndex_.find(index);
  if (found == byIndex_.end()) {
    auto nameless = std::make_shared<InterfaceInfo>();
    nameless->index = index;
    return nameless;
  }
  const std::vector<Entry>& entries = found->second;
  std::size_t at = entries.size() - 1;
  while (at > 0 && entries[at].epoch > epoch) --at;
  for (; at > 0; --at) {
    if (timestamp > entries[at].since) break;
    if (entries[at - 1].interface->generation != entries[at].interface->generation) break;
  }
  return entries[at].interface;
}

}  // namespace ringtap
