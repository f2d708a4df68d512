// A set of connections, each matched in both directions. Immutable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/bpf/address.h"
#include "core/util/result.h"

namespace ringtap {

inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;

// One end of a connection.
struct Endpoint {
  Bits128 address = 0;  // IPv4: in the low 32 bits
  std::uint16_t port = 0;
};

struct Connection {
  std::uint8_t protocol = kProtocolTcp;
  bool six = false;
  Endpoint ends[2];  // in any order
};

// Accepts 'tcp 10.0.0.1 1234 10.0.0.2 443': protocol ('tcp', 'udp'), and address and port of each end. Refuses anything
// else, and ends of different IP versions (Code::Option; the message is the reason alone). An IPv4-mapped address is
// the IPv4 one (parsePrefix).
[[nodiscard]] Result<Connection> parseConnection(std::string_view text);

// The words by which a packet is recognised, in this order, in host byte order: the protocol; the lower port in the
// upper half of a word, the higher one in the lower half; the address of the end with the lower port; the address of
// the other end. So both directions have the same key, unless the ports are equal: then the first address is the
// source's.
inline constexpr std::size_t kConnectionWords4 = 4;
inline constexpr std::size_t kConnectionWords6 = 10;
template <std::size_t Words>
using ConnectionKey = std::array<std::uint32_t, Words>;
using ConnectionKey4 = ConnectionKey<kConnectionWords4>;
using ConnectionKey6 = ConnectionKey<kConnectionWords6>;

class ConnectionSet {
 public:
  ConnectionSet() = default;
  explicit ConnectionSet(std::span<const Connection> connections);

  [[nodiscard]] bool empty() const { return v4_.empty() && v6_.empty(); }
  // The keys of one IP version: ascending, no duplicates. A connection with equal ports has two.
  [[nodiscard]] const std::vector<ConnectionKey4>& v4() const { return v4_; }
  [[nodiscard]] const std::vector<ConnectionKey6>& v6() const { return v6_; }
  // The number of different connections.
  [[nodiscard]] std::size_t size() const { return size_; }

  // A set of the first `count` keys, IPv4 before IPv6.
  [[nodiscard]] ConnectionSet firstKeys(std::size_t count) const;

 private:
  std::vector<ConnectionKey4> v4_;
  std::vector<ConnectionKey6> v6_;
  std::size_t size_ = 0;
};

}  // namespace ringtap
