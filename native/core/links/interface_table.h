// The interfaces of a namespace, updated from rtnetlink messages; reports each change as an event. State only, no
// descriptor.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/links/interface_info.h"
#include "core/links/netlink_parse.h"

namespace ringtap {

class InterfaceTable {
 public:
  using Events = std::vector<InterfaceEvent>;

  [[nodiscard]] const std::map<std::uint32_t, InterfaceInfo>& interfaces() const { return interfaces_; }
  [[nodiscard]] const InterfaceInfo* find(std::uint32_t index) const;

  using Losses = std::optional<DeviceLosses>;

  // Each of these appends an event for every change, and none if nothing changed. `losses`: the device's counters, if
  // the message has them; they are copied into the events, and a change of them alone is no event.
  void link(InterfaceInfo info, Events& events, const Losses& losses = {});
  void linkGone(std::uint32_t index, Events& events, const Losses& losses = {});
  // An address of an unknown device is ignored: the kernel announces the device before its addresses.
  void address(const netlink::AddressMessage& message, Events& events);
  void addressGone(const netlink::AddressMessage& message, Events& events);
  void peer(std::uint32_t index, std::uint32_t peerIndex, std::int32_t peerNetnsId, Events& events);
  // Replaces the whole table with a dump. Devices that are not in `links` are removed.
  void replace(std::vector<InterfaceInfo> links, const std::vector<netlink::AddressMessage>& addresses, Events& events);

  // True for a new veth without a peer index: when a pair is created, the kernel announces the first end before it
  // links the two (veth_newlink(), drivers/net/veth.c), and does not announce it again.
  [[nodiscard]] bool wantsPeer(const InterfaceInfo& info) const;

  // The indexes of devices to query from the kernel, because the messages received do not determine their state:
  // - a device that appeared with the index of one just removed: the message may be stale, and the device gone;
  // - a device whose peer has left: no message tells whether the peer was deleted or moved to another namespace.
  [[nodiscard]] std::vector<std::uint32_t> takeDoubts();

 private:
  void add(InterfaceInfo info, Events& events, const Losses& losses = {});
  void update(InterfaceInfo info, Events& events, const Losses& losses = {});
  void remove(std::map<std::uint32_t, InterfaceInfo>::iterator at, Events& events, const Losses& losses = {});
  void updateAddresses(std::uint32_t index, Events& events);

  // Keyed by index, as rtnetlink's messages are: two present devices never share an index, and this table assigns the
  // generations. The history is in the InterfaceBook.
  std::map<std::uint32_t, InterfaceInfo> interfaces_;
  // Two addresses may differ only in their peers. InterfaceInfo has no peers, but the removal of an address needs them.
  std::map<std::uint32_t, std::vector<netlink::AddressMessage>> addresses_;
  std::uint32_t lastGeneration_ = 0;
  std::set<std::uint32_t> departed_;      // since the last takeDoubts()
  std::set<std::uint32_t> reappeared_;    // since the last takeDoubts()
  std::set<std::uint32_t> longDeparted_;  // in the recent past; bounded
};

}  // namespace ringtap
