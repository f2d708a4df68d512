#include "core/links/interface_monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/links/interface_table.h"
#include "core/links/netlink_parse.h"
#include "core/links/netlink_socket.h"

namespace ringtap {

namespace {

constexpr std::uint32_t groupBit(int group) { return std::uint32_t{1} << (group - 1); }
constexpr std::uint32_t kGroups =
    groupBit(RTNLGRP_LINK) | groupBit(RTNLGRP_IPV4_IFADDR) | groupBit(RTNLGRP_IPV6_IFADDR);

}  // namespace

// Order: a reply to a request can be newer than notifications that still wait. It is applied immediately. Older
// notifications may then revert it for a moment, but the last of them is as new as the reply, so the final state is
// right.
struct InterfaceMonitor::State {
  State(netlink::Socket eventSocket, netlink::Requester requester)
      : notifications(std::move(eventSocket)), kernel(std::move(requester)) {}

  using Events = std::vector<InterfaceEvent>;

  netlink::Socket notifications;
  // Opened together with the monitor, so that requests stay in its namespace even if the thread enters another one.
  netlink::Requester kernel;
  InterfaceTable table;
  std::uint64_t overflows = 0;
  // Notifications were lost, and the dump that replaces them has not succeeded yet.
  bool stale = false;

  Result<> fill(Events& events) {
    auto snapshot = kernel.snapshot();
    if (!snapshot) return std::move(snapshot.error());
    table.replace(std::move(snapshot->links), snapshot->addresses, events);
    stale = false;
    return {};
  }

  Result<> apply(const netlink::Message& message, Events& events) {
    switch (message.type) {
      case RTM_NEWLINK: {
        auto link = netlink::parseLink(message.payload);
        if (!link) return {};
        if (table.wantsPeer(link->info)) {
          auto answer = kernel.link(link->info.index);
          if (!answer) return std::move(answer.error());
          if (answer->has_value() && (*answer)->kind == link->info.kind) {
            // Only the peer is copied: the other fields may be newer than the notifications that still wait.
            link->info.peerIndex = (*answer)->peerIndex;
            link->info.peerNetnsId = (*answer)->peerNetnsId;
          }
        }
        table.link(std::move(link->info), events, link->losses);
        return {};
      }
      case RTM_DELLINK:
        if (const auto gone = netlink::parseLinkRemoval(message.payload)) {
          table.linkGone(gone->index, events, gone->losses);
        }
        return {};
      case RTM_NEWADDR:
        if (const auto address = netlink::parseAddress(message.payload)) table.address(*address, events);
        return {};
      case RTM_DELADDR:
        if (const auto address = netlink::parseAddress(message.payload)) table.addressGone(*address, events);
        return {};
      default: return {};
    }
  }

  // Reads until no message waits. Applies no further messages once any were lost.
  Result<> drain(Events& events) {
    for (;;) {
      auto received = notifications.receive();
      if (!received) return std::move(received.error());
      switch (received->state) {
        case netlink::Received::State::Nothing: return {};
        case netlink::Received::State::Overflow:
        case netlink::Received::State::Truncated:
          // The kernel sends nothing until the queue is empty (netlink_overrun(), net/netlink/af_netlink.c). The rest
          // of the queue is read and discarded, because the dump that follows is newer.
          ++overflows;
          stale = true;
          continue;
        case netlink::Received::State::Bytes: break;
      }
      netlink::Bytes rest = received->bytes;
      while (!stale) {
        const auto message = netlink::nextMessage(rest);
        if (!message) break;
        if (auto applied = apply(*message, events); !applied) {
          stale = true;
          return applied;
        }
      }
    }
  }

  // Notifications contain the device's counters, replies do not: requests those missing in the events from index `from`
  // on. They stay unknown if the kernel does not report them.
  void addLosses(Events& events, std::size_t from) {
    const auto wants = [](const InterfaceEvent& event) {
      return !event.losses && (event.change == InterfaceChange::Added || event.change == InterfaceChange::Renamed);
    };
    if (std::none_of(events.begin() + static_cast<std::ptrdiff_t>(from), events.end(), wants)) return;
    const auto losses = kernel.losses();
    if (!losses) return;
    for (; from < events.size(); ++from) {
      if (!wants(events[from])) continue;
      if (const auto at = losses.value().find(events[from].current.index); at != losses.value().end()) {
        events[from].losses = at->second;
      }
    }
  }

  Result<> readAgain(std::uint32_t index, Events& events) {
    auto answer = kernel.link(index);
    if (!answer) return std::move(answer.error());
    if (answer->has_value()) {
      table.peer(index, (*answer)->peerIndex, (*answer)->peerNetnsId, events);
      return {};
    }
    // The notification of its removal still waits, or was read before the stale one that added the device again.
    if (auto drained = drain(events); !drained) return drained;
    if (!stale) table.linkGone(index, events);
    return {};
  }

  Result<> read(Events& events) {
    for (;;) {
      if (auto drained = drain(events); !drained) return drained;
      if (stale) {
        const std::size_t from = events.size();
        if (auto filled = fill(events); !filled) return filled;
        addLosses(events, from);
        continue;
      }
      const auto doubts = table.takeDoubts();
      if (doubts.empty()) return {};  // only notifications cause doubts, so the loop ends
      for (const std::uint32_t index : doubts) {
        if (!table.find(index)) continue;
        if (auto read = readAgain(index, events); !read) return read;
      }
    }
  }
};

Result<InterfaceMonitor> InterfaceMonitor::open(int receiveBuffer) {
  auto notifications = netlink::Socket::open(kGroups, receiveBuffer);
  if (!notifications) return std::move(notifications.error());
  auto kernel = netlink::Requester::open();
  if (!kernel) return std::move(kernel.error());

  InterfaceMonitor monitor(std::make_unique<State>(std::move(*notifications), std::move(*kernel)));
  std::vector<InterfaceEvent> initial;
  if (auto filled = monitor.state_->fill(initial); !filled) return std::move(filled.error());
  return monitor;
}

InterfaceMonitor::InterfaceMonitor(std::unique_ptr<State> state) : state_(std::move(state)) {}
InterfaceMonitor::InterfaceMonitor(InterfaceMonitor&&) noexcept = default;
InterfaceMonitor& InterfaceMonitor::operator=(InterfaceMonitor&&) noexcept = default;
InterfaceMonitor::~InterfaceMonitor() = default;

int InterfaceMonitor::fd() const { return state_->notifications.fd(); }

const std::map<std::uint32_t, InterfaceInfo>& InterfaceMonitor::interfaces() const {
  return state_->table.interfaces();
}

std::uint64_t InterfaceMonitor::overflows() const { return state_->overflows; }

Result<> InterfaceMonitor::read(std::vector<InterfaceEvent>& events) { return state_->read(events); }

Result<bool> InterfaceMonitor::query(std::uint32_t index, std::vector<InterfaceEvent>& events) {
  // Waiting notifications first, so that the reply is ahead of as few of them as possible.
  if (auto done = state_->read(events); !done) return std::move(done.error());
  if (state_->table.find(index)) return true;

  auto answer = state_->kernel.link(index);
  if (!answer) return std::move(answer.error());
  if (!answer->has_value()) return false;
  auto addresses = state_->kernel.addresses(index);
  if (!addresses) return std::move(addresses.error());

  const std::size_t from = events.size();
  state_->table.link(std::move(**answer), events);
  for (const auto& address : *addresses) state_->table.address(address, events);
  state_->addLosses(events, from);
  return true;
}

}  // namespace ringtap
