#include "core/links/interface_table.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace ringtap {

namespace {

// The maximum number of indexes in longDeparted_.
constexpr std::size_t kRemembered = 4096;

// The order of addresses is the same for notifications and dumps, so that a dump alone causes no event: primary
// addresses first, then by scope, widest first.
auto orderOf(const netlink::AddressMessage& message) {
  const InterfaceAddress& address = message.address;
  return std::tie(address.family, message.secondary, address.scope, address.bytes, address.prefixLength, message.peer);
}

bool sameEntry(const netlink::AddressMessage& a, const netlink::AddressMessage& b) {
  return a.address.family == b.address.family && a.address.bytes == b.address.bytes &&
         a.address.prefixLength == b.address.prefixLength && a.peer == b.peer;
}

std::vector<InterfaceAddress> shown(std::vector<netlink::AddressMessage>& entries) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return orderOf(a) < orderOf(b); });
  std::vector<InterfaceAddress> addresses;
  for (const auto& entry : entries) {
    if (std::find(addresses.begin(), addresses.end(), entry.address) == addresses.end()) {
      addresses.push_back(entry.address);
    }
  }
  return addresses;
}

// A device never changes its kind. Everything else can change, including the ARPHRD_ type (a wireless device in monitor
// mode, a bond with InfiniBand ports).
bool otherKind(const InterfaceInfo& before, const InterfaceInfo& now) { return before.kind != now.kind; }

// Changes between two dumps are unknown. If both name and address differ, a new device is more likely than a changed
// one.
bool otherDevice(const InterfaceInfo& before, const InterfaceInfo& now) {
  return otherKind(before, now) || (before.name != now.name && before.address != now.address);
}

}  // namespace

const InterfaceInfo* InterfaceTable::find(std::uint32_t index) const {
  const auto at = interfaces_.find(index);
  return at == interfaces_.end() ? nullptr : &at->second;
}

bool InterfaceTable::wantsPeer(const InterfaceInfo& info) const {
  return info.kind == "veth" && info.peerIndex == 0 && find(info.index) == nullptr;
}

void InterfaceTable::add(InterfaceInfo info, Events& events, const Losses& losses) {
  info.generation = ++lastGeneration_;
  if (longDeparted_.contains(info.index)) reappeared_.insert(info.index);
  const auto at = interfaces_.insert_or_assign(info.index, std::move(info)).first;
  events.push_back({.change = InterfaceChange::Added, .current = at->second, .previous = {}, .losses = losses});
}

void InterfaceTable::remove(std::map<std::uint32_t, InterfaceInfo>::iterator at, Events& events, const Losses& losses) {
  const std::uint32_t index = at->first;
  events.push_back(
      {.change = InterfaceChange::Removed, .current = std::move(at->second), .previous = {}, .losses = losses});
  interfaces_.erase(at);
  addresses_.erase(index);
  reappeared_.erase(index);
  departed_.insert(index);
  if (longDeparted_.size() >= kRemembered) longDeparted_.clear();
  longDeparted_.insert(index);
}

// `info` is complete, addresses and generation included.
void InterfaceTable::update(InterfaceInfo info, Events& events, const Losses& losses) {
  InterfaceInfo& known = interfaces_.find(info.index)->second;
  if (known == info) return;
  InterfaceInfo previous = std::exchange(known, std::move(info));
  const auto change = previous.name != known.name ? InterfaceChange::Renamed : InterfaceChange::Changed;
  events.push_back({.change = change, .current = known, .previous = std::move(previous), .losses = losses});
}

void InterfaceTable::link(InterfaceInfo info, Events& events, const Losses& losses) {
  const std::uint32_t index = info.index;
  const std::uint32_t peerIndex = info.kind == "veth" && info.peerNetnsId == -1 ? info.peerIndex : 0;

  auto at = interfaces_.find(index);
  if (at != interfaces_.end() && otherKind(at->second, info)) {
    remove(at, events);
    at = interfaces_.end();
  }
  if (at == interfaces_.end()) {
    add(std::move(info), events, losses);
  } else {
    info.generation = at->second.generation;
    info.addresses = at->second.addresses;
    if (info.kind == "veth" && info.peerIndex == 0) {
      // The kernel unlinks the two ends before it removes them; the notification in between has no peer.
      info.peerIndex = at->second.peerIndex;
      info.peerNetnsId = at->second.peerNetnsId;
    }
    update(std::move(info), events, losses);
  }
  // The relation of peers is mutual, but the kernel does not announce the end that stayed when the other one returns to
  // this namespace.
  if (const InterfaceInfo* other = peerIndex == 0 ? nullptr : find(peerIndex); other && other->kind == "veth") {
    peer(peerIndex, index, -1, events);
  }
}

void InterfaceTable::linkGone(std::uint32_t index, Events& events, const Losses& losses) {
  if (const auto at = interfaces_.find(index); at != interfaces_.end()) remove(at, events, losses);
}

void InterfaceTable::peer(std::uint32_t index, std::uint32_t peerIndex, std::int32_t peerNetnsId, Events& events) {
  const InterfaceInfo* known = find(index);
  if (!known || peerIndex == 0) return;
  InterfaceInfo info = *known;
  info.peerIndex = peerIndex;
  info.peerNetnsId = peerNetnsId;
  update(std::move(info), events);
}

void InterfaceTable::updateAddresses(std::uint32_t index, Events& events) {
  InterfaceInfo info = interfaces_.find(index)->second;
  info.addresses = shown(addresses_[index]);
  update(std::move(info), events);
}

void InterfaceTable::address(const netlink::AddressMessage& message, Events& events) {
  if (!find(message.index)) return;
  auto& entries = addresses_[message.index];
  const auto at =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return sameEntry(entry, message); });
  if (at == entries.end()) {
    entries.push_back(message);
  } else {
    *at = message;
  }
  updateAddresses(message.index, events);
}

void InterfaceTable::addressGone(const netlink::AddressMessage& message, Events& events) {
  if (!find(message.index)) return;
  if (std::erase_if(addresses_[message.index], [&](const auto& entry) { return sameEntry(entry, message); }) > 0) {
    updateAddresses(message.index, events);
  }
}

void InterfaceTable::replace(std::vector<InterfaceInfo> links, const std::vector<netlink::AddressMessage>& addresses,
                             Events& events) {
  std::map<std::uint32_t, InterfaceInfo> now;
  for (InterfaceInfo& info : links) now.insert_or_assign(info.index, std::move(info));

  // Removed devices first: their names may be in use again.
  for (auto at = interfaces_.begin(); at != interfaces_.end();) {
    const auto known = at++;
    const auto found = now.find(known->first);
    if (found == now.end() || otherDevice(known->second, found->second)) remove(known, events);
  }

  addresses_.clear();
  for (const auto& message : addresses) {
    if (now.contains(message.index)) addresses_[message.index].push_back(message);
  }
  for (auto& [index, info] : now) {
    if (const auto at = addresses_.find(index); at != addresses_.end()) info.addresses = shown(at->second);
    if (const InterfaceInfo* known = find(index)) {
      info.generation = known->generation;
      update(std::move(info), events);
    } else {
      add(std::move(info), events);
    }
  }
  // The dump is current: no device is in doubt.
  departed_.clear();
  reappeared_.clear();
}

std::vector<std::uint32_t> InterfaceTable::takeDoubts() {
  std::set<std::uint32_t> doubts = std::exchange(reappeared_, {});
  if (!departed_.empty()) {
    for (const auto& [index, info] : interfaces_) {
      if (info.peerNetnsId == -1 && departed_.contains(info.peerIndex) && !find(info.peerIndex)) doubts.insert(index);
    }
    departed_.clear();
  }
  return {doubts.begin(), doubts.end()};
}

}  // namespace ringtap
