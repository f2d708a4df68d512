// Random connections and packets, and a straightforward implementation of the verdict: the reference for every form of
// the sets of connections.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/bpf/connection_filter.h"
#include "core/util/link_type.h"
#include "support/addresses.h"
#include "support/choices.h"

namespace support {

using ringtap::Connection;
using ringtap::Endpoint;

using Connections = std::vector<Connection>;

inline std::shared_ptr<const ringtap::ConnectionFilter> filterOf(const Connections& connections, bool maps = false) {
  if (connections.empty()) return nullptr;
  return std::make_shared<ringtap::ConnectionFilter>(ringtap::ConnectionSet(connections), maps);
}

// The connection of an Ethernet or raw IP packet that is not truncated.
inline std::optional<Connection> connectionOf(std::uint16_t linkType, std::span<const std::uint8_t> bytes) {
  const auto addresses = addressesOf(linkType, bytes);
  if (!addresses) return std::nullopt;
  // ARP has addresses too.
  std::size_t at = 0;
  if (linkType == ringtap::kLinkTypeEthernet) {
    Bits128 type = bitsAt(bytes, 12, 2);
    for (at = 14; type == 0x8100 || type == 0x88a8 || type == 0x9100; at += 4) type = bitsAt(bytes, at + 2, 2);
    if (type != 0x0800 && type != 0x86dd) return std::nullopt;
  }
  Connection connection;
  connection.six = addresses->six;
  if (!addresses->six) {
    if ((bitsAt(bytes, at + 6, 2) & 0x1fff) != 0) return std::nullopt;
    connection.protocol = bytes[at + 9];
    const std::size_t length = std::size_t{4} * (bytes[at] & 0xf);
    if (length < 20) return std::nullopt;
    at += length;
  } else {
    connection.protocol = bytes[at + 6];
    at += 40;
    if (connection.protocol == 44) {
      if (bytes.size() < at + 8 || (bitsAt(bytes, at + 2, 2) & 0xfff8) != 0) return std::nullopt;
      connection.protocol = bytes[at];
      at += 8;
    }
  }
  if ((connection.protocol != 6 && connection.protocol != 17) || bytes.size() < at + 4) return std::nullopt;
  connection.ends[0] = {addresses->first, static_cast<std::uint16_t>(bitsAt(bytes, at, 2))};
  connection.ends[1] = {addresses->second, static_cast<std::uint16_t>(bitsAt(bytes, at + 2, 2))};
  return connection;
}

inline bool sameEnd(const Endpoint& a, const Endpoint& b) { return a.address == b.address && a.port == b.port; }

inline bool connectionPasses(const Connections& excluded, const std::optional<Connection>& own) {
  return !own || std::none_of(excluded.begin(), excluded.end(), [&](const Connection& one) {
    return one.protocol == own->protocol && one.six == own->six &&
           ((sameEnd(one.ends[0], own->ends[0]) && sameEnd(one.ends[1], own->ends[1])) ||
            (sameEnd(one.ends[0], own->ends[1]) && sameEnd(one.ends[1], own->ends[0])));
  });
}

// Draws from a small range, so that sets and packets often match.
inline Endpoint randomEndpoint(Choices& choices, bool six) {
  static constexpr std::uint16_t ports[] = {0, 1, 443, 40000, 65535};
  constexpr std::uint64_t net = 0x20010db8'00000000;
  const Bits128 address = six ? Bits128{net + choices.below(2)} << 64 : Bits128{0x0a000000};
  return {address | choices.below(3), ports[choices.below(5)]};
}

inline Connection randomConnection(Choices& choices) {
  Connection connection;
  connection.protocol = choices.oneIn(2) ? 6 : 17;
  connection.six = choices.oneIn(2);
  for (Endpoint& end : connection.ends) end = randomEndpoint(choices, connection.six);
  return connection;
}

inline Connections randomConnections(Choices& choices, std::uint32_t max) {
  Connections list;
  for (std::uint32_t i = choices.below(max); i > 0; --i) list.push_back(randomConnection(choices));
  return list;
}

// A packet from the first end to the second, with what the locator must tell apart: options, fragments, other
// protocols, lengths that end early.
inline std::vector<std::uint8_t> randomPacketOf(Choices& choices, std::uint16_t linkType,
                                                const Connection& connection) {
  std::vector<std::uint8_t> bytes;
  if (linkType == ringtap::kLinkTypeEthernet) {
    bytes.assign(12, 2);
    static constexpr std::uint16_t tags[] = {0x8100, 0x88a8, 0x9100};
    for (std::uint32_t i = choices.oneIn(3) ? choices.below(4) : 0; i > 0; --i) {
      putBits(bytes, tags[choices.below(3)], 2);
      putBits(bytes, choices.below(4096), 2);
    }
    putBits(bytes, connection.six ? 0x86dd : 0x0800, 2);
  }
  const std::size_t at = bytes.size();
  const std::uint8_t protocol = choices.oneIn(8) ? static_cast<std::uint8_t>(choices.below(64)) : connection.protocol;
  const std::uint32_t offset = choices.oneIn(4) ? choices.below(65536) : 0;
  if (connection.six) {
    bytes.resize(at + 8);
    bytes[at] = 0x60;
    const bool fragment = choices.oneIn(4);
    bytes[at + 6] = fragment ? 44 : protocol;
    for (const Endpoint& end : connection.ends) putBits(bytes, end.address, 16);
    if (fragment) {
      putBits(bytes, protocol, 2);
      bytes[bytes.size() - 2] = protocol;
      putBits(bytes, offset, 2);
      putBits(bytes, choices.any(), 4);
    }
  } else {
    bytes.resize(at + 12);
    const std::uint32_t words = choices.oneIn(4) ? choices.below(16) : 5;
    bytes[at] = static_cast<std::uint8_t>(0x40 | words);
    bytes[at + 6] = static_cast<std::uint8_t>(offset >> 8);
    bytes[at + 7] = static_cast<std::uint8_t>(offset);
    bytes[at + 9] = protocol;
    for (const Endpoint& end : connection.ends) putBits(bytes, end.address, 4);
    if (words > 5) bytes.resize(at + std::size_t{4} * words);
  }
  for (const Endpoint& end : connection.ends) putBits(bytes, end.port, 2);
  bytes.resize(bytes.size() + choices.below(8));
  if (choices.oneIn(8)) bytes.resize(choices.below(static_cast<std::uint32_t>(bytes.size()) + 1));
  return bytes;
}

// A packet of one of these connections, in either direction, or of none.
inline std::vector<std::uint8_t> randomPacketAmong(Choices& choices, std::uint16_t linkType,
                                                   const Connections& connections) {
  if (choices.oneIn(8)) return randomPacket(choices, linkType);
  const bool own = !connections.empty() && choices.oneIn(2);
  Connection connection =
      own ? connections[choices.below(static_cast<std::uint32_t>(connections.size()))] : randomConnection(choices);
  if (choices.oneIn(2)) std::swap(connection.ends[0], connection.ends[1]);
  return randomPacketOf(choices, linkType, connection);
}

}  // namespace support
