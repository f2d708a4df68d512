// The clocks in use.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace ringtap {

// The kernel's clock for packet timestamps: nanoseconds since 1970-01-01 UTC.
[[nodiscard]] inline std::uint64_t realNow() {
  const auto since1970 = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since1970).count());
}

// CLOCK_MONOTONIC, in nanoseconds: the clock that Interrupt uses.
[[nodiscard]] inline std::uint64_t monotonicNow() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace ringtap
