// Parses rtnetlink messages (rtnetlink(7), netlink(7)) in memory. Pure functions: no descriptor, no state. Lengths in
// the message are checked against the span; nothing outside it is read. An inconsistent message parses to nullopt.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "core/links/device_losses.h"
#include "core/links/interface_info.h"

namespace ringtap::netlink {

using Bytes = std::span<const std::uint8_t>;

struct Message {
  std::uint16_t type = 0;      // RTM_*, NLMSG_*
  std::uint16_t flags = 0;     // NLM_F_*
  std::uint32_t sequence = 0;  // of the request this answers; 0 for a notification
  Bytes payload;               // what follows the nlmsghdr
};

// Removes the first message from `rest`. nullopt at the end, or if the bytes are not a valid message; `rest` is then
// empty.
[[nodiscard]] std::optional<Message> nextMessage(Bytes& rest);

struct LinkMessage {
  InterfaceInfo info;                  // without generation and addresses
  std::optional<DeviceLosses> losses;  // notifications have them, replies only if requested
};

// RTM_NEWLINK: the device's full description. nullopt if the message is malformed or is not a full description: bridges
// report their ports in RTM_NEWLINK messages of family AF_BRIDGE (net/bridge/br_netlink.c), and wireless extensions
// send events as RTM_NEWLINK (net/wireless/wext-core.c); both omit most attributes.
[[nodiscard]] std::optional<LinkMessage> parseLink(Bytes payload);

struct LinkRemoval {
  std::uint32_t index = 0;
  std::optional<DeviceLosses> losses;  // the final values, if the message has them
};

// RTM_DELLINK: the device that has left this namespace. nullopt if the message is malformed, or if its family is
// AF_BRIDGE: then it reports that a port has left its bridge.
[[nodiscard]] std::optional<LinkRemoval> parseLinkRemoval(Bytes payload);

struct LinkStatistics {
  std::uint32_t index = 0;
  DeviceLosses losses;
};

// RTM_NEWSTATS with IFLA_STATS_LINK_64. nullopt if the message is malformed or lacks that attribute.
[[nodiscard]] std::optional<LinkStatistics> parseLinkStatistics(Bytes payload);

struct AddressMessage {
  std::uint32_t index = 0;
  InterfaceAddress address;             // the interface's own
  std::array<std::uint8_t, 16> peer{};  // the remote address on point-to-point links; part of an address's identity
  bool secondary = false;               // IFA_F_SECONDARY (IPv4), IFA_F_TEMPORARY (IPv6)
  bool operator==(const AddressMessage&) const = default;
};

// RTM_NEWADDR and RTM_DELADDR of family AF_INET or AF_INET6.
[[nodiscard]] std::optional<AddressMessage> parseAddress(Bytes payload);

// RTM_NEWNSID, the reply to RTM_GETNSID: the id of a network namespace. nullopt if it has none.
[[nodiscard]] std::optional<std::int32_t> parseNamespaceId(Bytes payload);

// NLMSG_ERROR and NLMSG_DONE: the error number, positive; 0 for success. EPROTO if the payload is too short.
[[nodiscard]] int parseStatus(Bytes payload);

}  // namespace ringtap::netlink
