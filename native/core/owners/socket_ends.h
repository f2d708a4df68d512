// The two ends of a socket of TCP or UDP, as its own host sees them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ringtap {

// An address of IPv6, or one of IPv4 in the mapped form ::ffff:a.b.c.d: a socket of AF_INET6 has those too.
using OwnerAddress = std::array<std::uint8_t, 16>;

inline constexpr OwnerAddress kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

[[nodiscard]] inline bool isMapped(const OwnerAddress& address) {
  return std::equal(address.begin(), address.begin() + 12, kMapped.begin());
}
// 0.0.0.0 or ::, which a socket has that is not bound to an address.
[[nodiscard]] inline bool isAny(const OwnerAddress& address) { return address == OwnerAddress{} || address == kMapped; }
[[nodiscard]] inline bool isLoopback(const OwnerAddress& address) {
  constexpr OwnerAddress one{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return address == one || (isMapped(address) && address[12] == 127);
}
// From the bytes of an address in network order: 4 for AF_INET, otherwise 16.
[[nodiscard]] inline OwnerAddress ownerAddress(int family, const void* bytes) {
  OwnerAddress address = family == AF_INET ? kMapped : OwnerAddress{};
  if (family == AF_INET) std::memcpy(address.data() + 12, bytes, 4);
  else std::memcpy(address.data(), bytes, 16);
  return address;
}

struct SocketEnds {
  std::uint8_t protocol = 0;  // IPPROTO_TCP or IPPROTO_UDP
  std::uint16_t localPort = 0;
  std::uint16_t remotePort = 0;  // 0: not connected
  OwnerAddress local{};
  OwnerAddress remote{};

  bool operator==(const SocketEnds&) const = default;
};

struct HashSocketEnds {
  std::size_t operator()(const SocketEnds& ends) const {
    std::uint64_t words[4];
    std::memcpy(words, ends.local.data(), 16);
    std::memcpy(words + 2, ends.remote.data(), 16);
    std::uint64_t hash = std::uint64_t{ends.protocol} << 32 | std::uint32_t{ends.localPort} << 16 | ends.remotePort;
    for (const std::uint64_t word : words) {
      hash = (hash ^ word) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 29;
    }
    return hash;
  }
};

}  // namespace ringtap
