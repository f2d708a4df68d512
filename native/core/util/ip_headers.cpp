#include "core/util/ip_headers.h"

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

// The length of the IP packet is 0 in super-frames of more than 64 KiB, which the kernel hands over unsplit.
[[nodiscard]] std::size_t endOf(std::size_t at, std::size_t length, bool unknown) {
  return unknown ? SIZE_MAX : at + length;
}

std::optional<IpHeaders> headers4(Packet packet, std::size_t at) {
  if (!has(packet, at, 20) || packet[at] >> 4 != 4) return std::nullopt;
  const std::size_t header = std::size_t{4} * (packet[at] & 0x0f);
  const bool laterFragment = (word(packet, at + 6) & 0x1fff) != 0;
  if (header < 20 || laterFragment) return std::nullopt;
  const std::uint16_t length = word(packet, at + 2);
  return IpHeaders{4, packet[at + 9], at, at + header, endOf(at, length, length == 0)};
}

std::optional<IpHeaders> headers6(Packet packet, std::size_t at) {
  constexpr std::size_t fixed = 40;
  if (!has(packet, at, fixed) || packet[at] >> 4 != 6) return std::nullopt;
  const std::uint16_t length = word(packet, at + 4);
  IpHeaders headers{6, packet[at + 6], at, at + fixed, endOf(at, fixed + length, length == 0)};
  // Each header has at least eight bytes, so that the packet's length bounds their number.
  for (;;) {
    const std::uint8_t next = headers.protocol;
    const bool options = next == 0 || next == 43 || next == 60 || next == 135 || next == 139 || next == 140;
    if (!options && next != 44 && next != 51) return headers;
    const std::size_t here = headers.transport;
    if (!has(packet, here, 8)) return std::nullopt;
    if (next == 44 && (word(packet, here + 2) & 0xfff8) != 0) return std::nullopt;
    const std::size_t size = packet[here + 1];
    headers.protocol = packet[here];
    headers.transport += next == 44 ? 8 : next == 51 ? (size + 2) * 4 : (size + 1) * 8;
  }
}

std::optional<IpHeaders> headersBehind(Packet packet, std::size_t at, std::uint16_t type) {
  while (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
    if (!has(packet, at, 4)) return std::nullopt;
    type = word(packet, at + 2);
    at += 4;
  }
  if (type == kIp4) return headers4(packet, at);
  return type == kIp6 ? headers6(packet, at) : std::nullopt;
}

}  // namespace

std::optional<IpHeaders> ipHeaders(std::uint16_t linkType, std::span<const std::uint8_t> packet) {
  switch (linkType) {
    case kLinkTypeEthernet: return has(packet, 0, 14) ? headersBehind(packet, 14, word(packet, 12)) : std::nullopt;
    case kLinkTypeLinuxSll: return has(packet, 0, 16) ? headersBehind(packet, 16, word(packet, 14)) : std::nullopt;
    case kLinkTypeLinuxSll2: return has(packet, 0, 20) ? headersBehind(packet, 20, word(packet, 0)) : std::nullopt;
    case kLinkTypeRaw:
      if (packet.empty()) return std::nullopt;
      return packet[0] >> 4 == 4 ? headers4(packet, 0) : headers6(packet, 0);
    case kLinkTypeIpv4: return headers4(packet, 0);
    case kLinkTypeIpv6: return headers6(packet, 0);
    default: return std::nullopt;
  }
}

}  // namespace ringtap
