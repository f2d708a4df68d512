// One network interface, as described by rtnetlink, and the events about it. Plain data, copied freely.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/links/device_losses.h"
#include "core/util/interface_address.h"

namespace ringtap {

// IFF_UP (netdevice(7)). Its own headers, <net/if.h> and <linux/if.h>, cannot both be included in one file.
inline constexpr std::uint32_t kInterfaceUp = 1;

// Identifies a device of a namespace; the index alone does not, because the kernel may reuse it.
struct InterfaceId {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  auto operator<=>(const InterfaceId&) const = default;
};

struct InterfaceInfo {
  std::uint32_t index = 0;
  // Distinguishes successive devices with the same index. Counts from 1 over all devices seen by one monitor; 0 for a
  // device that was removed before its description could be read.
  std::uint32_t generation = 0;
  std::string name;
  std::vector<std::string> alternativeNames;  // IFLA_PROP_LIST / IFLA_ALT_IFNAME
  std::string kind;                           // IFLA_INFO_KIND: veth, bridge, vlan, tun, …; "" for a physical device
  std::uint16_t hardwareType = 0;             // ARPHRD_*
  std::optional<std::uint16_t> linkType;      // LINKTYPE_*, if the hardware type does not determine it
  std::vector<std::uint8_t> address;          // link-layer address, empty if the device has none
  std::uint32_t mtu = 0;
  std::uint32_t flags = 0;        // IFF_*
  std::uint32_t master = 0;       // index of the bridge, bond, … it is a port of; 0: none
  std::uint32_t peerIndex = 0;    // IFLA_LINK: the other end of a veth, the device under a vlan; 0: none
  std::int32_t peerNetnsId = -1;  // IFLA_LINK_NETNSID: the namespace of peerIndex; -1: this namespace
  std::vector<InterfaceAddress> addresses;
  [[nodiscard]] InterfaceId id() const { return {index, generation}; }
  [[nodiscard]] bool isUp() const { return (flags & kInterfaceUp) != 0; }
  bool operator==(const InterfaceInfo&) const = default;
};

enum class InterfaceChange { Added, Removed, Renamed, Changed };

struct InterfaceEvent {
  InterfaceChange change = InterfaceChange::Changed;
  InterfaceInfo current;   // for Removed: the last description
  InterfaceInfo previous;  // for Renamed and Changed: the description before the change
  // The device's counters at the time of the change, if the kernel reported them. For Removed: the final values.
  std::optional<DeviceLosses> losses = {};
};

}  // namespace ringtap
