// Finds the headers of an IP packet.
//
// Pure; trusts nothing in the packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace ringtap {

struct IpHeaders {
  std::uint8_t version = 0;   // 4 or 6
  std::uint8_t protocol = 0;  // of what is at `transport`
  std::size_t network = 0;    // offset of the IP header, all of whose fixed part is there
  std::size_t transport = 0;  // offset behind the IP headers; may be where the packet was cut, or behind that
  std::size_t end = 0;        // of the IP packet by its own length; SIZE_MAX if it does not say

  // Offsets of the addresses, and their length.
  [[nodiscard]] std::size_t source() const { return network + (version == 4 ? 12 : 8); }
  [[nodiscard]] std::size_t destination() const { return source() + addressLength(); }
  [[nodiscard]] std::size_t addressLength() const { return version == 4 ? 4 : 16; }
};

// nullopt if the packet is no IP, a fragment but the first, or cut within the fixed part of its IP header or the first
// eight bytes of an extension header. Tunnels are not looked into.
// Link types: Ethernet with any number of VLAN tags, raw IP, and Linux's cooked headers.
[[nodiscard]] std::optional<IpHeaders> ipHeaders(std::uint16_t linkType, std::span<const std::uint8_t> packet);

}  // namespace ringtap
