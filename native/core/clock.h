// What time it is.
#pragma once

#include <chrono>
#include <cstdint>

namespace ringtap {

// By the clock that the kernel stamps packets with: nanoseconds since 1970-01-01 UTC.
[[nodiscard]] inline std::uint64_t realNow() {
  const auto since1970 = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since1970).count());
}

}  // namespace ringtap
