#include "core/send/replay_schedule.h"

#include <algorithm>
#include <cmath>

namespace ringtap {

namespace {

// Longer than any real wait, and does not overflow when added to the time.
constexpr std::uint64_t kFarthest = std::uint64_t{1} << 62;

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
  // Rounded up: no packet is early.
  const long double passed = std::ceil(static_cast<long double>(elapsed_) / speed_);
  const auto wait = passed < kFarthest ? static_cast<std::uint64_t>(passed) : kFarthest;
  return due_ = std::max(due_, start_ + wait);
}

}  // namespace ringtap
