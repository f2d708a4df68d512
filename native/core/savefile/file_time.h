// pcapng timestamps: 64-bit counts of a unit, which is a power of ten or of two of a second, with an offset in seconds.
#pragma once

#include <cstdint>

namespace ringtap {

class FileTime {
 public:
  // `resolution`: as in if_tsresol. If the highest bit is set, the unit is 2^-n seconds, with n in the other bits; else
  // it is 10^-n seconds. 6, the default: microseconds.
  explicit FileTime(std::uint8_t resolution = 6, std::int64_t offsetSeconds = 0);

  // Nanoseconds since 1970, rounded down. Times before 1970 become 0, and times after July 2554 the largest 64-bit
  // value; `clamped` is set in both cases.
  [[nodiscard]] std::uint64_t nanoseconds(std::uint64_t units, bool& clamped) const {
    if (plain_ && units <= limit_) return units * factor_;
    return slow(units, clamped);
  }
  [[nodiscard]] std::uint64_t nanoseconds(std::uint64_t units) const {
    bool clamped = false;
    return nanoseconds(units, clamped);
  }

 private:
  [[nodiscard]] std::uint64_t slow(std::uint64_t units, bool& clamped) const;

  bool plain_;            // the conversion is units × factor_, for up to limit_ units
  std::uint64_t factor_;  // nanoseconds per unit, if plain_
  std::uint64_t limit_;
  std::uint8_t resolution_;
  std::int64_t offset_;
};

}  // namespace ringtap
