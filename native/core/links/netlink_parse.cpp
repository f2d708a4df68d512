#include "core/links/netlink_parse.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace ringtap::netlink {

static_assert(kInterfaceUp == IFF_UP);

namespace {

// The kernel aligns to 4 bytes, but the span itself may start unaligned: fields are copied out.
template <typename T>
bool readAt(Bytes bytes, std::size_t offset, T& value) {
  if (bytes.size() < offset || bytes.size() - offset < sizeof(T)) return false;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return true;
}

constexpr std::size_t aligned(std::size_t length) { return (length + 3) & ~std::size_t{3}; }

Bytes after(Bytes bytes, std::size_t count) { return bytes.subspan(std::min(count, bytes.size())); }

// Calls visit(type, data) for each attribute. False if a length is invalid, or visit returns false.
template <typename Visit>
bool forEachAttribute(Bytes rest, Visit visit) {
  // Trailing bytes too short for a header are padding.
  nlattr header;
  while (readAt(rest, 0, header)) {
    if (header.nla_len < sizeof(header) || header.nla_len > rest.size()) return false;
    if (!visit(header.nla_type & NLA_TYPE_MASK, rest.subspan(sizeof(header), header.nla_len - sizeof(header)))) {
      return false;
    }
    rest = after(rest, aligned(header.nla_len));
  }
  return true;
}

// Strings end at the first NUL or with the attribute, whichever comes first.
std::string readString(Bytes data) {
  const auto end = std::find(data.begin(), data.end(), std::uint8_t{0});
  return std::string(data.begin(), end);
}

bool readBytes(Bytes data, std::uint8_t family, std::array<std::uint8_t, 16>& into) {
  const std::size_t length = family == AF_INET ? 4 : 16;
  if (data.size() != length) return false;
  std::copy(data.begin(), data.end(), into.begin());
  return true;
}

// The kernel only appends fields to struct rtnl_link_stats64; those read here are in its first version.
bool readLosses(Bytes data, std::optional<DeviceLosses>& into) {
  DeviceLosses losses;
  if (!readAt(data, offsetof(rtnl_link_stats64, rx_dropped), losses.dropped) ||
      !readAt(data, offsetof(rtnl_link_stats64, rx_missed_errors), losses.missed) ||
      !readAt(data, offsetof(rtnl_link_stats64, rx_errors), losses.errors) ||
      !readAt(data, offsetof(rtnl_link_stats64, rx_over_errors), losses.overruns) ||
      !readAt(data, offsetof(rtnl_link_stats64, rx_fifo_errors), losses.fifo)) {
    return false;
  }
  into = losses;
  return true;
}

}  // namespace

std::optional<Message> nextMessage(Bytes& rest) {
  nlmsghdr header;
  if (!readAt(rest, 0, header) || header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest.size()) {
    rest = {};
    return std::nullopt;
  }
  const Message message{
      .type = header.nlmsg_type,
      .flags = header.nlmsg_flags,
      .sequence = header.nlmsg_seq,
      .payload = rest.subspan(sizeof(header), header.nlmsg_len - sizeof(header)),
  };
  rest = after(rest, aligned(header.nlmsg_len));
  return message;
}

std::optional<LinkMessage> parseLink(Bytes payload) {
  ifinfomsg header;
  if (!readAt(payload, 0, header) || header.ifi_family != AF_UNSPEC || header.ifi_index <= 0) return std::nullopt;

  LinkMessage message;
  InterfaceInfo& info = message.info;
  info.index = static_cast<std::uint32_t>(header.ifi_index);
  info.hardwareType = header.ifi_type;
  info.flags = header.ifi_flags;

  bool hasMtu = false;
  bool wireless = false;
  const bool sound = forEachAttribute(after(payload, aligned(sizeof(header))), [&](int type, Bytes data) {
    switch (type) {
      case IFLA_IFNAME: info.name = readString(data); return true;
      case IFLA_MTU: hasMtu = true; return readAt(data, 0, info.mtu);
      case IFLA_ADDRESS: info.address.assign(data.begin(), data.end()); return true;
      case IFLA_MASTER: return readAt(data, 0, info.master);
      case IFLA_LINK: return readAt(data, 0, info.peerIndex);
      case IFLA_LINK_NETNSID: return readAt(data, 0, info.peerNetnsId);
      case IFLA_PROMISCUITY: {
        // ifi_flags has IFF_PROMISC only if the flag was set by a user (dev_get_flags(), net/core/dev.c); the
        // count includes packet sockets and bridges.
        std::uint32_t holders = 0;
        if (!readAt(data, 0, holders)) return false;
        if (holders > 0) info.flags |= IFF_PROMISC;
        return true;
      }
      case IFLA_LINKINFO:
        return forEachAttribute(data, [&](int nested, Bytes value) {
          if (nested == IFLA_INFO_KIND) info.kind = readString(value);
          return true;
        });
      case IFLA_PROP_LIST:
        return forEachAttribute(data, [&](int nested, Bytes value) {
          if (nested == IFLA_ALT_IFNAME) info.alternativeNames.push_back(readString(value));
          return true;
        });
      case IFLA_WIRELESS: wireless = true; return true;
      case IFLA_STATS64: return readLosses(data, message.losses);
      default: return true;
    }
  });
  // Name and MTU are in every description that rtnl_fill_ifinfo() makes (net/core/rtnetlink.c).
  if (!sound || wireless || !hasMtu || info.name.empty()) return std::nullopt;
  return message;
}

std::optional<LinkRemoval> parseLinkRemoval(Bytes payload) {
  ifinfomsg header;
  if (!readAt(payload, 0, header) || header.ifi_family != AF_UNSPEC || header.ifi_index <= 0) return std::nullopt;
  LinkRemoval removal;
  removal.index = static_cast<std::uint32_t>(header.ifi_index);
  const bool sound = forEachAttribute(after(payload, aligned(sizeof(header))), [&](int type, Bytes data) {
    return type != IFLA_STATS64 || readLosses(data, removal.losses);
  });
  if (!sound) return std::nullopt;
  return removal;
}

std::optional<LinkStatistics> parseLinkStatistics(Bytes payload) {
  if_stats_msg header;
  if (!readAt(payload, 0, header) || header.ifindex == 0) return std::nullopt;
  std::optional<DeviceLosses> losses;
  const bool sound = forEachAttribute(after(payload, aligned(sizeof(header))), [&](int type, Bytes data) {
    return type != IFLA_STATS_LINK_64 || readLosses(data, losses);
  });
  if (!sound || !losses) return std::nullopt;
  return LinkStatistics{header.ifindex, *losses};
}

std::optional<AddressMessage> parseAddress(Bytes payload) {
  ifaddrmsg header;
  if (!readAt(payload, 0, header) || header.ifa_index == 0) return std::nullopt;
  if (header.ifa_family != AF_INET && header.ifa_family != AF_INET6) return std::nullopt;
  if (header.ifa_prefixlen > (header.ifa_family == AF_INET ? 32 : 128)) return std::nullopt;

  AddressMessage message;
  message.index = header.ifa_index;
  message.secondary = (header.ifa_flags & IFA_F_SECONDARY) != 0;
  message.address.family = header.ifa_family;
  message.address.prefixLength = header.ifa_prefixlen;
  message.address.scope = header.ifa_scope;

  // IFA_LOCAL is the interface's address and IFA_ADDRESS the peer's. IPv6 has IFA_LOCAL on point-to-point links only;
  // otherwise IFA_ADDRESS is the interface's address (net/ipv6/addrconf.c, inet6_fill_ifaddr()).
  bool hasLocal = false;
  bool hasAddress = false;
  const bool sound = forEachAttribute(after(payload, aligned(sizeof(header))), [&](int type, Bytes data) {
    switch (type) {
      case IFA_LOCAL: hasLocal = true; return readBytes(data, header.ifa_family, message.address.bytes);
      case IFA_ADDRESS: hasAddress = true; return readBytes(data, header.ifa_family, message.peer);
      default: return true;
    }
  });
  if (!sound || (!hasLocal && !hasAddress)) return std::nullopt;
  if (!hasLocal) message.address.bytes = message.peer;
  if (!hasAddress) message.peer = message.address.bytes;
  return message;
}

std::optional<std::int32_t> parseNamespaceId(Bytes payload) {
  std::int32_t id = NETNSA_NSID_NOT_ASSIGNED;
  const bool sound = forEachAttribute(after(payload, aligned(sizeof(rtgenmsg))),
                                      [&](int type, Bytes data) { return type != NETNSA_NSID || readAt(data, 0, id); });
  if (!sound || id < 0) return std::nullopt;
  return id;
}

int parseStatus(Bytes payload) {
  int number = 0;
  if (!readAt(payload, 0, number)) return EPROTO;
  // -INT_MIN would overflow.
  return number <= 0 && number > -4096 ? -number : EPROTO;
}

}  // namespace ringtap::netlink
