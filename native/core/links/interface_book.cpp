#include "core/links/interface_book.h"

#include <algorithm>

namespace ringtap {

namespace {

// Limits for descriptions per index, and for indexes of removed devices. Waiting blocks need only a few.
constexpr std::size_t kMaxEntries = 64;
constexpr std::size_t kMaxGone = 4096;

InterfaceDescription nameless(std::uint32_t index) {
  auto info = std::make_shared<InterfaceInfo>();
  info->index = index;
  return info;
}

}  // namespace

InterfaceDescription InterfaceBook::add(const InterfaceInfo& info) {
  std::lock_guard lock(mutex_);
  auto description = std::make_shared<const InterfaceInfo>(info);
  pages_[info.index].entries.push_back({0, {}, description});
  return description;
}

std::vector<BookedEvent> InterfaceBook::enter(const std::vector<InterfaceEvent>& events, const Moment& now) {
  std::lock_guard lock(mutex_);
  std::vector<BookedEvent> booked;
  booked.reserve(events.size());
  for (const InterfaceEvent& event : events) booked.push_back(enterOne(event, now));
  if (!events.empty()) {
    latest_.resize(std::max(latest_.size(), now.position.size()));
    for (std::size_t ring = 0; ring < now.position.size(); ++ring) {
      latest_[ring] = std::max(latest_[ring], now.position[ring]);
    }
  }
  return booked;
}

BookedEvent InterfaceBook::enterOne(const InterfaceEvent& event, const Moment& now) {
  const std::uint32_t index = event.current.index;
  BookedEvent booked{++epoch_, event.change, nullptr, nullptr, now, event.losses};
  Page& page = pages_[index];
  const InterfaceDescription known = page.entries.empty() ? nullptr : page.entries.back().interface;
  const bool same = known && known->generation == event.current.generation;
  if (event.change == InterfaceChange::Removed) {
    booked.current = same ? known : std::make_shared<const InterfaceInfo>(event.current);
    if (same && page.present) remove(index);
    return booked;
  }
  if (event.change == InterfaceChange::Added) {
    page.present = true;
    page.lastUp = {};
    booked.from = {};
  } else {
    booked.previous = same ? known : std::make_shared<const InterfaceInfo>(event.previous);
    const bool wasUp = booked.previous->isUp();
    // A device that comes up may have got an alternative name while it was down: the kernel did not announce that.
    if (!wasUp && (!event.current.isUp() || event.change == InterfaceChange::Changed)) booked.from = page.lastUp;
    else if (wasUp && !event.current.isUp()) page.lastUp = now;
  }
  booked.current = std::make_shared<const InterfaceInfo>(event.current);
  page.entries.push_back({booked.epoch, booked.from, booked.current});
  if (page.entries.size() > kMaxEntries) page.entries.erase(page.entries.begin());
  return booked;
}

void InterfaceBook::remove(std::uint32_t index) {
  pages_[index].present = false;
  gone_.push_back(index);
  if (gone_.size() <= kMaxGone) return;
  const std::uint32_t oldest = gone_.front();
  gone_.pop_front();
  // The index may have been reused since, or its new device removed as well.
  const auto found = pages_.find(oldest);
  if (found == pages_.end() || found->second.present) return;
  if (std::find(gone_.begin(), gone_.end(), oldest) == gone_.end()) pages_.erase(found);
}

InterfaceBook::Presence InterfaceBook::presence(std::uint32_t index) const {
  std::lock_guard lock(mutex_);
  const auto found = pages_.find(index);
  if (found == pages_.end() || found->second.entries.empty()) return Presence::Unknown;
  return found->second.present ? Presence::Present : Presence::Gone;
}

InterfaceDescription InterfaceBook::latest(std::uint32_t index) const {
  std::lock_guard lock(mutex_);
  const auto found = pages_.find(index);
  return found == pages_.end() || found->second.entries.empty() ? nullptr : found->second.entries.back().interface;
}

InterfaceDescription InterfaceBook::latest(InterfaceId device) const {
  std::lock_guard lock(mutex_);
  const auto found = pages_.find(device.index);
  if (found == pages_.end()) return nullptr;
  const std::vector<Entry>& entries = found->second.entries;
  const auto entry = std::find_if(entries.rbegin(), entries.rend(),
                                  [&](const Entry& one) { return one.interface->generation == device.generation; });
  return entry == entries.rend() ? nullptr : entry->interface;
}

// Calls visit(entry) for each candidate, latest first, until it returns true. A packet is never assigned to an earlier
// device of its index: which of the two received it cannot be determined, and the ledger counts it for the device that
// had the index when the block was taken.
template <typename Visit>
void InterfaceBook::visitCandidates(std::uint32_t index, const BlockOrigin& origin, Visit&& visit) const {
  const auto found = pages_.find(index);
  if (found == pages_.end() || found->second.entries.empty()) return;
  const std::vector<Entry>& entries = found->second.entries;
  std::size_t at = entries.size() - 1;
  while (at > 0 && entries[at].epoch > origin.epoch) --at;
  for (;; --at) {
    const Entry& entry = entries[at];
    const bool last = at == 0 || !isBefore(entry.from.position, origin.block) ||
                      entries[at - 1].interface->generation != entry.interface->generation;
    if (visit(entry) || last) return;
  }
}

InterfaceDescription InterfaceBook::resolve(std::uint32_t index, const BlockOrigin& origin,
                                            std::uint64_t timestamp) const {
  std::lock_guard lock(mutex_);
  InterfaceDescription description;
  visitCandidates(index, origin, [&](const Entry& entry) {
    description = entry.interface;
    return timestamp > entry.from.time;
  });
  return description ? description : nameless(index);
}

std::vector<InterfaceBook::Candidate> InterfaceBook::candidates(std::uint32_t index, const BlockOrigin& origin) const {
  std::lock_guard lock(mutex_);
  std::vector<Candidate> list;
  visitCandidates(index, origin, [&](const Entry& entry) {
    list.push_back({entry.interface, entry.from.time});
    return false;
  });
  if (list.empty()) list.push_back({nameless(index), 0});
  return list;
}

bool InterfaceBook::isSteady(BlockNumber block) const {
  std::lock_guard lock(mutex_);
  return !isBefore(latest_, block);
}

}  // namespace ringtap
