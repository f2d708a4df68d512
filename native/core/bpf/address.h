// Parses IP addresses and prefixes.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/util/result.h"

namespace ringtap {

// 128 bits in host order.
__extension__ using Bits128 = unsigned __int128;

// An address is a prefix of full length.
struct Prefix {
  Bits128 value = 0;  // the first address; IPv4: in the low 32 bits
  std::uint8_t length = 0;
  bool six = false;
  bool operator==(const Prefix&) const = default;
};

// Accepts '10.0.0.1', '10.0.0.0/8', '2001:db8::1', '2001:db8::/32'. An IPv4-mapped address or prefix (::ffff:10.0.0.1,
// 96 bits or longer), as dual-stack sockets report IPv4 peers, becomes the IPv4 one: it never occurs on the wire.
//
// Refuses, as ip(8) and tcpdump(1) do (Code::Option; the message is the reason alone): bits set beyond the prefix
// length, fewer than four numbers, leading zeros, masks, zones, names.
[[nodiscard]] Result<Prefix> parsePrefix(std::string_view text);

}  // namespace ringtap
