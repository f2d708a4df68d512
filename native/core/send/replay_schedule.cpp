#include "core/send/replay_schedule.h"

#include <algorithm>
#include <cmath>

namespace ringtap {

namespace {

// Longer than any real wait, and does not overflow when added to the time.
constexpr std::uint64_t kFarthest = std::uint64_t{1} << 62;

// Nanoseconds at a speed, rounded up: no packet is early. A double holds them exactly up to 104 days of file time, and
// is wrong by some nanoseconds beyond. On arm64, a long double would be computed by the compiler's runtime library: in
// savefile/file_time.cpp is why that must not be needed.
std::uint64_t scaled(std::uint64_t elapsed, double speed) {
  if (speed == 1) return elapsed;
  const double passed = std::ceil(static_cast<double>(elapsed) / speed);
  return passed < static_cast<double>(kFarthest) ? static_cast<std::uint64_t>(passed) : kFarthest;
}

}  // namespace

std::uint64_t ReplaySchedule::due(std::uint64_t timestamp) {
  if (!begun_) {
    begun_ = true;
    latest_ = timestamp;
  } else if (timestamp > latest_) {
    const std::uint64_t gap = std::min(timestamp - latest_, longestGap_);
    elapsed_ = std::min(elapsed_ + std::min(gap, kFarthest), kFarthest);
    latest_ = timestamp;
  } else if (latest_ - timestamp > longestGap_) {
    latest_ = timestamp;  // one packet with a wrong date must not affect all that follow
  }
  return due_ = std::max(due_, start_ + scaled(elapsed_, speed_));
}

}  // namespace ringtap
