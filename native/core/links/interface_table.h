// What is known of a namespace's interfaces, and what each piece of news changes in it. Pure state: no descriptor.
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

  // Each appends to `events` what changed, and nothing where nothing did. `losses`: the device's counters, where the
  // news has them; they go into the events and are no change of their own.
  void link(InterfaceInfo info, Events& events, const Losses& losses = {});
  void linkGone(std::uint32_t index, Events& events, const Losses& losses = {});
  // An address of a device that is not known is dropped: news of the device comes first.
  void address(const netlink::AddressMessage& news, Events& events);
  void addressGone(const netlink::AddressMessage& news, Events& events);
  void peer(std::uint32_t index, std::uint32_t peerIndex, std::int32_t peerNetnsId, Events& events);
  // Everything at once. What is not in it is gone.
  void replace(std::vector<InterfaceInfo> links, const std::vector<netlink::AddressMessage>& addresses, Events& events);

  // A veth that is new and does not say who its peer is: when a pair is made, the first end is announced before the two
  // are tied together (veth_newlink(), drivers/net/veth.c), and is not announced again.
  [[nodiscard]] bool wantsPeer(const InterfaceInfo& info) const;

  // The indexes of devices to ask the kernel about, because the news so far may not be all there is to know:
  // - one that came with the index of one that had just gone: news can be late, and the device gone for good;
  // - one whose peer has left: whether the peer was moved to another namespace or is no more, nobody says.
  [[nodiscard]] std::vector<std::uint32_t> takeDoubts();

 private:
  void add(InterfaceInfo info, Events& events, const Losses& losses = {});
  void update(InterfaceInfo info, Events& events, const Losses& losses = {});
  void remove(std::map<std::uint32_t, InterfaceInfo>::iterator at, Events& events, const Losses& losses = {});
  void updateAddresses(std::uint32_t index, Events& events);

  std::map<std::uint32_t, InterfaceInfo> interfaces_;
  // Two addresses may differ in their peers only; InterfaceInfo does not show that, but the removal of one needs it.
  std::map<std::uint32_t, std::vector<netlink::AddressMessage>> addresses_;
  std::uint32_t lastGeneration_ = 0;
  std::set<std::uint32_t> departed_;      // since the last takeDoubts()
  std::set<std::uint32_t> reappeared_;    // likewise
  std::set<std::uint32_t> longDeparted_;  // lately; bounded
};

}  // namespace ringtap
