// One network interface, as rtnetlink describes it, and what can happen to it. Plain data, copied freely.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/links/device_losses.h"

namespace ringtap {

// IFF_UP (netdevice(7)). Its own headers, <net/if.h> and <linux/if.h>, cannot both be included in one file.
inline constexpr std::uint32_t kInterfaceUp = 1;

struct InterfaceAddress {
  std::uint8_t family = 0;               // AF_INET or AF_INET6
  std::array<std::uint8_t, 16> bytes{};  // the first 4 for IPv4
  std::uint8_t prefixLength = 0;
  std::uint8_t scope = 0;  // RT_SCOPE_*
  bool operator==(const InterfaceAddress&) const = default;
};

// Which device of a namespace: an index may be used again.
struct InterfaceId {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  auto operator<=>(const InterfaceId&) const = default;
};

struct InterfaceInfo {
  std::uint32_t index = 0;
  // Distinguishes devices that had the same index one after another. Counts up over all devices that one monitor has
  // seen, from 1; 0 for a device that came and went before anything could be read about it.
  std::uint32_t generation = 0;
  std::string name;
  std::vector<std::string> alternativeNames;  // IFLA_PROP_LIST / IFLA_ALT_IFNAME
  std::string kind;                           // IFLA_INFO_KIND: veth, bridge, vlan, tun, …; "" for a physical device
  std::uint16_t hardwareType = 0;             // ARPHRD_*
  std::optional<std::uint16_t> linkType;      // LINKTYPE_*, where it does not follow from the hardware type
  std::vector<std::uint8_t> address;          // link-layer address, empty where the device has none
  std::uint32_t mtu = 0;
  std::uint32_t flags = 0;        // IFF_*
  std::uint32_t master = 0;       // index of the bridge, bond, … it is a port of; 0: none
  std::uint32_t peerIndex = 0;    // IFLA_LINK: the other end of a veth, the device under a vlan; 0: none
  std::int32_t peerNetnsId = -1;  // IFLA_LINK_NETNSID: where that other end lives; -1: in this namespace
  std::vector<InterfaceAddress> addresses;
  [[nodiscard]] InterfaceId id() const { return {index, generation}; }
  [[nodiscard]] bool isUp() const { return (flags & kInterfaceUp) != 0; }
  bool operator==(const InterfaceInfo&) const = default;
};

enum class InterfaceChange { Added, Removed, Renamed, Changed };

struct InterfaceEvent {
  InterfaceChange change = InterfaceChange::Changed;
  InterfaceInfo current;   // for Removed: as it was last known
  InterfaceInfo previous;  // for Renamed and Changed: before
  // The device's counters at the time of the change, where the kernel reported them. For Removed: its last.
  std::optional<DeviceLosses> losses = {};
};

}  // namespace ringtap
