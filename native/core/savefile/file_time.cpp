#include "core/savefile/file_time.h"

namespace ringtap {

namespace {

__extension__ typedef unsigned __int128 Wide;
__extension__ typedef __int128 SignedWide;

constexpr Wide kSecond = 1'000'000'000;

Wide power(unsigned exponent) {
  Wide result = 1;
  while (exponent-- > 0) result *= 10;
  return result;
}

}  // namespace

FileTime::FileTime(std::uint8_t resolution, std::int64_t offsetSeconds)
    : plain_(resolution <= 9 && offsetSeconds == 0),
      factor_(plain_ ? static_cast<std::uint64_t>(power(9 - resolution)) : 0),
      limit_(plain_ ? UINT64_MAX / factor_ : 0),
      resolution_(resolution),
      offset_(offsetSeconds) {}

std::uint64_t FileTime::slow(std::uint64_t units, bool& clamped) const {
  const unsigned exponent = resolution_ & 0x7f;
  const Wide scaled = Wide{units} * kSecond;  // less than 2^94
  Wide nanoseconds = 0;
  if ((resolution_ & 0x80) != 0) nanoseconds = exponent < 94 ? scaled >> exponent : 0;
  else nanoseconds = exponent <= 28 ? scaled / power(exponent) : 0;
  const SignedWide sum = static_cast<SignedWide>(nanoseconds) + SignedWide{offset_} * static_cast<SignedWide>(kSecond);
  clamped = sum < 0 || sum > SignedWide{UINT64_MAX};
  if (sum < 0) return 0;
  return sum > SignedWide{UINT64_MAX} ? UINT64_MAX : static_cast<std::uint64_t>(sum);
}

}  // namespace ringtap
