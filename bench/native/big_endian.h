// Numbers of a packet's headers, which are big-endian and not aligned. For little-endian machines.
#pragma once

#include <cstdint>
#include <cstring>

inline std::uint16_t u16(const std::uint8_t* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap16(value);
}

inline std::uint32_t u32(const std::uint8_t* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap32(value);
}
