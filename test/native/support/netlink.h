// rtnetlink messages, encoded as the kernel encodes them.
#pragma once

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/links/netlink_parse.h"

namespace support {

using Payload = std::vector<std::uint8_t>;

template <typename T>
Payload bytesOf(const T& value) {
  Payload bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline Payload text(const std::string& value) {
  Payload bytes(value.begin(), value.end());
  bytes.push_back(0);
  return bytes;
}

inline Payload attribute(int type, const Payload& value) {
  const nlattr header{static_cast<std::uint16_t>(sizeof(nlattr) + value.size()), static_cast<std::uint16_t>(type)};
  Payload bytes = bytesOf(header);
  bytes.insert(bytes.end(), value.begin(), value.end());
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

inline Payload operator+(Payload left, const Payload& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline Payload linkHeader(int index, std::uint8_t family = AF_UNSPEC) {
  ifinfomsg header{};
  header.ifi_family = family;
  header.ifi_index = index;
  header.ifi_type = 1;
  header.ifi_flags = 0x1003;
  return bytesOf(header);
}

// A link message with the attributes that every link has.
inline Payload link(int index, const std::string& name, std::uint8_t family = AF_UNSPEC) {
  return linkHeader(index, family) + attribute(IFLA_IFNAME, text(name)) +
         attribute(IFLA_MTU, bytesOf(std::uint32_t{1500}));
}

inline Payload addressHeader(std::uint32_t index, std::uint8_t family, std::uint8_t prefixLength) {
  ifaddrmsg header{};
  header.ifa_family = family;
  header.ifa_prefixlen = prefixLength;
  header.ifa_index = index;
  return bytesOf(header);
}

inline Payload message(std::uint16_t type, const Payload& payload, std::uint16_t flags = 0) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + payload.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = 77;
  Payload bytes = bytesOf(header) + payload;
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

}  // namespace support
