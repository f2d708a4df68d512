// The one walk over lists of options and name records: each a code, a length, and a value padded to four bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/savefile/savefile_format.h"

namespace ringtap {

// Text ends at its first NUL, or else with the value.
[[nodiscard]] inline std::span<const std::uint8_t> untilZero(std::span<const std::uint8_t> value) {
  if (value.empty()) return value;
  const void* zero = std::memchr(value.data(), 0, value.size());
  return zero == nullptr ? value
                         : value.first(static_cast<std::size_t>(static_cast<const std::uint8_t*>(zero) - value.data()));
}

struct OptionWalk {
  bool good = true;    // false: the value of the option at `at` ends beyond `bytes`
  bool ended = false;  // by an end-of-options
  std::size_t at = 0;  // behind the list
};

// Calls visit(code, at, length) for each entry from `at` on, `at` being the place of the value in `bytes`; ends at an
// end-of-options, or where no further entry fits. `swapped`: the numbers are in the other byte order than this
// machine's.
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
