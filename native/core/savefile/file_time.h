// Timestamps of pcapng: 64-bit counts of any unit, a power of ten or of two of a second, with an offset.
#pragma once

#include <cstdint>

namespace ringtap {

class FileTime {
 public:
  // As if_tsresol has it: the highest bit set, 2^-n seconds; else 10^-n seconds. 6: microseconds, the default.
  explicit FileTime(std::uint8_t resolution = 6, std::int64_t offsetSeconds = 0);

  // Nanoseconds since the epoch, rounded down. Times before the epoch become 0, those after July 2554 the last
  // nanosecond that 64 bits have; then `clamped` is set.
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

  bool plain_;            // units × factor_ is all there is to do
  std::uint64_t factor_;  // of powers of ten up to the ninth
  std::uint64_t limit_;
  std::uint8_t resolution_;
  std::int64_t offset_;
};

}  // namespace ringtap
