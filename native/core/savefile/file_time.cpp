#include "core/savefile/file_time.h"

namespace ringtap {

namespace {

// These are multiplied, shifted and compared, but not divided: for a division the compiler calls its runtime library,
// which in the prebuilt addons is one object, with slow versions of memcpy and memset that would replace those of the C
// library.
__extension__ typedef unsigned __int128 Wide;
__extension__ typedef __int128 SignedWide;

constexpr std::uint64_t kSecond = 1'000'000'000;

// 10^exponent; exponent: at most 19.
std::uint64_t power(unsigned exponent) {
  std::uint64_t result = 1;
  while (exponent-- > 0) result *= 10;
  return result;
}

}  // namespace

FileTime::FileTime(std::uint8_t resolution, std::int64_t offsetSeconds)
    : plain_(resolution <= 9 && offsetSeconds == 0),
      factor_(plain_ ? power(9 - resolution) : 0),
      limit_(plain_ ? UINT64_MAX / factor_ : 0),
      resolution_(resolution),
      offset_(offsetSeconds) {}

std::uint64_t FileTime::slow(std::uint64_t units, bool& clamped) const {
  const unsigned exponent = resolution_ & 0x7f;
  Wide nanoseconds = 0;  // less than 2^94
  if ((resolution_ & 0x80) != 0) nanoseconds = exponent < 94 ? Wide{units} * kSecond >> exponent : 0;
  else if (exponent <= 9) nanoseconds = Wide{units} * power(9 - exponent);
  else if (exponent <= 28) nanoseconds = units / power(exponent - 9);
  const SignedWide sum = static_cast<SignedWide>(nanoseconds) + SignedWide{offset_} * SignedWide{kSecond};
  clamped = sum < 0 || sum > SignedWide{UINT64_MAX};
  if (sum < 0) return 0;
  return sum > SignedWide{UINT64_MAX} ? UINT64_MAX : static_cast<std::uint64_t>(sum);
}

}  // namespace ringtap
