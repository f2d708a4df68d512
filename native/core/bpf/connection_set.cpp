#include "core/bpf/connection_set.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace ringtap {

namespace {

Error refuse(const char* reason) { return Error{Code::Option, reason}; }

// Takes the text up to the next space off `rest`.
std::string_view nextField(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return field;
}

std::optional<std::uint16_t> portOf(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

template <std::size_t Words>
void putAddress(ConnectionKey<Words>& key, std::size_t at, Bits128 address) {
  constexpr std::size_t count = (Words - 2) / 2;
  for (std::size_t i = 0; i < count; ++i) {
    key[at + i] = static_cast<std::uint32_t>(address >> 32 * (count - 1 - i));
  }
}

template <std::size_t Words>
ConnectionKey<Words> keyOf(std::uint8_t protocol, const Endpoint& low, const Endpoint& high) {
  ConnectionKey<Words> key{protocol, std::uint32_t{low.port} << 16 | high.port};
  putAddress<Words>(key, 2, low.address);
  putAddress<Words>(key, 2 + (Words - 2) / 2, high.address);
  return key;
}

template <std::size_t Words>
void add(std::vector<ConnectionKey<Words>>& keys, const Connection& connection) {
  const auto& [one, other] = connection.ends;
  if (one.port <= other.port) keys.push_back(keyOf<Words>(connection.protocol, one, other));
  if (one.port >= other.port) keys.push_back(keyOf<Words>(connection.protocol, other, one));
}

// Returns the number of different connections.
template <std::size_t Words>
std::size_t arrange(std::vector<ConnectionKey<Words>>& keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::size_t twice = 0;  // connections with two keys
  for (const ConnectionKey<Words>& key : keys) {
    const auto middle = key.begin() + 2 + (Words - 2) / 2;
    const bool equalPorts = key[1] >> 16 == (key[1] & 0xffff);
    twice += equalPorts && std::lexicographical_compare(key.begin() + 2, middle, middle, key.end()) ? 1 : 0;
  }
  return keys.size() - twice;
}

}  // namespace

Result<Connection> parseConnection(std::string_view text) {
  Connection connection;
  const std::string_view protocol = nextField(text);
  if (protocol != "tcp" && protocol != "udp") return refuse("the protocol is tcp or udp");
  connection.protocol = protocol == "tcp" ? kProtocolTcp : kProtocolUdp;
  bool six[2];
  for (int i = 0; i < 2; ++i) {
    const std::string_view field = nextField(text);
    auto address = parsePrefix(field);
    if (!address) return std::move(address.error());
    if (field.find('/') != std::string_view::npos) return refuse("an end of a connection is an address, not a prefix");
    const auto port = portOf(nextField(text));
    if (!port) return refuse("a port is a number from 0 to 65535");
    connection.ends[i] = {address->value, *port};
    six[i] = address->six;
  }
  if (!text.empty()) return refuse("a connection has two ends");
  if (six[0] != six[1]) return refuse("both ends of a connection have the same IP version");
  connection.six = six[0];
  return connection;
}

ConnectionSet::ConnectionSet(std::span<const Connection> connections) {
  for (const Connection& connection : connections) {
    if (connection.six) add(v6_, connection);
    else add(v4_, connection);
  }
  size_ = arrange(v4_) + arrange(v6_);
}

ConnectionSet ConnectionSet::firstKeys(std::size_t count) const {
  ConnectionSet some;
  const std::size_t four = std::min(count, v4_.size());
  const std::size_t six = std::min(count - four, v6_.size());
  some.v4_.assign(v4_.begin(), v4_.begin() + static_cast<std::ptrdiff_t>(four));
  some.v6_.assign(v6_.begin(), v6_.begin() + static_cast<std::ptrdiff_t>(six));
  some.size_ = arrange(some.v4_) + arrange(some.v6_);
  return some;
}

}  // namespace ringtap
