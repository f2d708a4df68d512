// Iterates over lists of options or name records: each has a code, a length, and a value padded to four bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/savefile/savefile_format.h"

namespace ringtap {

// The value up to its first NUL, or all of it if it has none.
[[nodiscard]] inline std::span<const std::uint8_t> untilZero(std::span<const std::uint8_t> value) {
  if (value.empty()) return value;
  const void* zero = std::memchr(value.data(), 0, value.size());
  return zero == nullptr ? value
                         : value.first(static_cast<std::size_t>(static_cast<const std::uint8_t*>(zero) - value.data()));
}

struct OptionWalk {
  bool good = true;    // false: the value of the option at `at` extends beyond `bytes`
  bool ended = false;  // at an end-of-options
  std::size_t at = 0;  // offset of the first byte after the list
};

// Calls visit(code, at, length) for each entry from offset `at` on; the `at` passed to visit is the offset of the value
// in `bytes`. Stops at an end-of-options, or where fewer bytes are left than an entry's header has. `swapped`: the
// numbers are not in this machine's byte order.
template <typename Visit>
OptionWalk walkOptions(std::span<const std::uint8_t> bytes, std::size_t at, bool swapped, Visit&& visit) {
  const auto number = [&](std::size_t place) {
    std::uint16_t value;
    std::memcpy(&value, bytes.data() + place, sizeof value);
    return swapped ? __builtin_bswap16(value) : value;
  };
  constexpr std::size_t kHeader = sizeof(savefile::OptionHeader);
  while (at <= bytes.size() && bytes.size() - at >= kHeader) {
    const std::uint16_t code = number(at);
    const std::uint16_t length = number(at + 2);
    if (code == savefile::kOptionEnd) return {true, true, at + kHeader};
    if (length > bytes.size() - at - kHeader) return {false, false, at};
    visit(code, at + kHeader, length);
    at += kHeader + savefile::padded(length);
  }
  return {true, false, at < bytes.size() ? at : bytes.size()};
}

}  // namespace ringtap
