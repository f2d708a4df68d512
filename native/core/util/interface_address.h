// An address of a network interface.
#pragma once

#include <array>
#include <cstdint>

namespace ringtap {

struct InterfaceAddress {
  std::uint8_t family = 0;               // AF_INET or AF_INET6
  std::array<std::uint8_t, 16> bytes{};  // the first 4 for IPv4
  std::uint8_t prefixLength = 0;
  std::uint8_t scope = 0;  // RT_SCOPE_*
  bool operator==(const InterfaceAddress&) const = default;
};

}  // namespace ringtap
