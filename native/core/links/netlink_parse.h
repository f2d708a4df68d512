// Reads rtnetlink messages (rtnetlink(7), netlink(7)) from memory. Pure functions: no descriptor, no state; whatever
// the lengths in the bytes claim, nothing outside the span is read. A message that contradicts itself is not half
// believed: it parses to nothing.
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
  std::uint32_t sequence = 0;  // of the request this answers; 0 for news
  Bytes payload;               // what follows the nlmsghdr
};

// Takes one message off the front of `rest`. Nothing: the end, or bytes that cannot be a message (`rest` is empty
// then).
[[nodiscard]] std::optional<Message> nextMessage(Bytes& rest);

struct LinkMessage {
  InterfaceInfo info;                  // all but generation and addresses
  std::optional<DeviceLosses> losses;  // where the message has them: news do, and answers if they are asked to
};

// RTM_NEWLINK: the device's full description. Nothing where the message is malformed, or does not describe the device:
// a bridge speaks of its ports in messages of family AF_BRIDGE (net/bridge/br_netlink.c), wireless extensions put
// events into messages of their own (net/wireless/wext-core.c), and both omit most of what a description has.
[[nodiscard]] std::optional<LinkMessage> parseLink(Bytes payload);

struct LinkRemoval {
  std::uint32_t index = 0;
  std::optional<DeviceLosses> losses;  // its last, where the message has them
};

// RTM_DELLINK: the device that is gone from this namespace. Nothing where the message is malformed, or where it says
// something else: with family AF_BRIDGE, that a port has left its bridge.
[[nodiscard]] std::optional<LinkRemoval> parseLinkRemoval(Bytes payload);

struct LinkStatistics {
  std::uint32_t index = 0;
  DeviceLosses losses;
};

// RTM_NEWSTATS with IFLA_STATS_LINK_64. Nothing where the message is malformed or has no such attribute.
[[nodiscard]] std::optional<LinkStatistics> parseLinkStatistics(Bytes payload);

struct AddressMessage {
  std::uint32_t index = 0;
  InterfaceAddress address;             // the interface's own
  std::array<std::uint8_t, 16> peer{};  // the other end's on point-to-point links: part of what tells addresses apart
  bool secondary = false;               // IFA_F_SECONDARY (IPv4), IFA_F_TEMPORARY (IPv6)
  bool operator==(const AddressMessage&) const = default;
};

// RTM_NEWADDR and RTM_DELADDR of family AF_INET or AF_INET6.
[[nodiscard]] std::optional<AddressMessage> parseAddress(Bytes payload);

// NLMSG_ERROR and NLMSG_DONE: the error number, positive; 0 for success. EPROTO where the payload is too short.
[[nodiscard]] int parseStatus(Bytes payload);

}  // namespace ringtap::netlink
