// Numbers in network byte order.
#pragma once

#include <cstdint>

namespace ringtap {

// Of two bytes, at any address.
[[nodiscard]] constexpr std::uint16_t bigEndian16(const std::uint8_t* bytes) {
  return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
}

}  // namespace ringtap
