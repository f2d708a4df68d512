#include "core/owners/packet_ends.h"

#include <cstddef>

#include "core/util/byte_order.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

using Packet = std::span<const std::uint8_t>;

constexpr std::uint16_t kIp4 = 0x0800;
constexpr std::uint16_t kIp6 = 0x86dd;

[[nodiscard]] bool has(Packet packet, std::size_t at, std::size_t length) {
  return at <= packet.size() && length <= packet.size() - at;
}

[[nodiscard]] std::uint16_t word(Packet packet, std::size_t at) { return bigEndian16(packet.data() + at); }

// `at`: of the header of TCP or UDP, which begins with the ports. `end`: of the IP packet, by its own length.
std::optional<SocketEnds> withPorts(Packet packet, std::size_t at, std::size_t end, SocketEnds ends) {
  const bool known = ends.protocol == IPPROTO_TCP || ends.protocol == IPPROTO_UDP;
  if (!known || !has(packet, at, 4) || at + 4 > end) return std::nullopt;
  ends.localPort = word(packet, at);
  ends.remotePort = word(packet, at + 2);
  return ends;
}

// The length of the IP packet is 0 in super-frames of more than 64 KiB, which the kernel hands over unsplit.
[[nodiscard]] std::size_t endOf(std::size_t at, std::size_t length, bool unknown) {
  return unknown ? SIZE_MAX : at + length;
}

std::optional<SocketEnds> ends4(Packet packet, std::size_t at) {
  if (!has(packet, at, 20) || packet[at] >> 4 != 4) return std::nullopt;
  const std::size_t header = std::size_t{4} * (packet[at] & 0x0f);
  const bool laterFragment = (word(packet, at + 6) & 0x1fff) != 0;
  if (header < 20 || laterFragment) return std::nullopt;
  SocketEnds ends;
  ends.protocol = packet[at + 9];
  ends.local = ownerAddress(AF_INET, packet.data() + at + 12);
  ends.remote = ownerAddress(AF_INET, packet.data() + at + 16);
  const std::uint16_t length = word(packet, at + 2);
  return withPorts(packet, at + header, endOf(at, length, length == 0), ends);
}

std::optional<SocketEnds> ends6(Packet packet, std::size_t at) {
  constexpr std::size_t fixed = 40;
  if (!has(packet, at, fixed) || packet[at] >> 4 != 6) return std::nullopt;
  SocketEnds ends;
  ends.local = ownerAddress(AF_INET6, packet.data() + at + 8);
  ends.remote = ownerAddress(AF_INET6, packet.data() + at + 24);
  const std::uint16_t length = word(packet, at + 4);
  const std::size_t end = endOf(at, fixed + length, length == 0);
  std::uint8_t next = packet[at + 6];
  at += fixed;
  // Each header has at least eight bytes, so that the packet's length bounds their number.
  for (;;) {
    const bool options = next == 0 || next == 43 || next == 60 || next == 135 || next == 139 || next == 140;
    if (!options && next != 44 && next != 51) break;
    if (!has(packet, at, 8)) return std::nullopt;
    if (next == 44 && (word(packet, at + 2) & 0xfff8) != 0) return std::nullopt;
    const std::size_t size = packet[at + 1];
    const std::size_t header = next == 44 ? 8 : next == 51 ? (size + 2) * 4 : (size + 1) * 8;
    next = packet[at];
    at += header;
  }
  ends.protocol = next;
  return withPorts(packet, at, end, ends);
}

std::optional<SocketEnds> endsBehind(Packet packet, std::size_t at, std::uint16_t type) {
  while (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
    if (!has(packet, at, 4)) return std::nullopt;
    type = word(packet, at + 2);
    at += 4;
  }
  if (type == kIp4) return ends4(packet, at);
  return type == kIp6 ? ends6(packet, at) : std::nullopt;
}

}  // namespace

std::optional<SocketEnds> packetEnds(std::uint16_t linkType, std::span<const std::uint8_t> packet) {
  switch (linkType) {
    case kLinkTypeEthernet: return has(packet, 0, 14) ? endsBehind(packet, 14, word(packet, 12)) : std::nullopt;
    case kLinkTypeLinuxSll: return has(packet, 0, 16) ? endsBehind(packet, 16, word(packet, 14)) : std::nullopt;
    case kLinkTypeLinuxSll2: return has(packet, 0, 20) ? endsBehind(packet, 20, word(packet, 0)) : std::nullopt;
    case kLinkTypeRaw:
      if (packet.empty()) return std::nullopt;
      return packet[0] >> 4 == 4 ? ends4(packet, 0) : ends6(packet, 0);
    case kLinkTypeIpv4: return ends4(packet, 0);
    case kLinkTypeIpv6: return ends6(packet, 0);
    default: return std::nullopt;
  }
}

}  // namespace ringtap
