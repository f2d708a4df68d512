// Computes when packets are due: arithmetic only.
#include "core/send/replay_schedule.h"

#include <cstdint>
#include <limits>
#include <vector>

#include "support/check.h"

using ringtap::ReplaySchedule;

namespace {

constexpr std::uint64_t kStart = 5'000'000'000;

std::vector<std::uint64_t> dues(ReplaySchedule schedule, const std::vector<std::uint64_t>& timestamps) {
  std::vector<std::uint64_t> due;
  for (const std::uint64_t timestamp : timestamps) due.push_back(schedule.due(timestamp) - kStart);
  return due;
}

using List = std::vector<std::uint64_t>;
constexpr std::uint64_t kNone = ReplaySchedule::kNoLimit;
// A timestamp as in savefiles, nanoseconds since the epoch.
constexpr std::uint64_t kDate = 1'700'000'000'123'456'789;

}  // namespace

TEST(gapsAreKept) {
  CHECK(dues({1, kNone, kStart}, {kDate, kDate + 1, kDate + 1'000'000'007}) == (List{0, 1, 1'000'000'007}));
  // To the nanosecond, also of times that a double rounds.
  CHECK(dues({1, kNone, kStart}, {1, kDate, kDate + 1}) == (List{0, kDate - 1, kDate}));
}

TEST(theSpeedMultipliesTheGaps) {
  CHECK(dues({10, kNone, kStart}, {kDate, kDate + 1000, kDate + 5000}) == (List{0, 100, 500}));
  CHECK(dues({0.5, kNone, kStart}, {kDate, kDate + 1000, kDate + 5000}) == (List{0, 2000, 10'000}));
  // Each due time is rounded up on its own: never early, and rounding errors do not accumulate.
  CHECK(dues({3, kNone, kStart}, {kDate, kDate + 1, kDate + 2, kDate + 3, kDate + 4}) == (List{0, 1, 1, 1, 2}));
  CHECK(dues({std::numeric_limits<double>::infinity(), kNone, kStart}, {kDate, kDate + 1000}) == (List{0, 0}));
}

TEST(aPacketOutOfOrderIsDueWithTheOneBeforeIt) {
  // A packet out of order is due with the packet before it, and does not move the others.
  CHECK(dues({1, kNone, kStart}, {kDate, kDate + 100, kDate + 50, kDate + 150, kDate - 1}) ==
        (List{0, 100, 100, 150, 150}));
}

TEST(longGapsAreShortened) {
  CHECK(dues({1, 1000, kStart}, {kDate, kDate + 10, kDate + 5010, kDate + 5020}) == (List{0, 10, 1010, 1020}));
  CHECK(dues({2, 1000, kStart}, {kDate, kDate + 5000, kDate + 5100}) == (List{0, 500, 550}));
  // A packet with a wrong timestamp, in the future or the past: the packets after it keep their gaps.
  CHECK(dues({1, 1000, kStart}, {kDate, kDate * 2, kDate + 10, kDate + 20}) == (List{0, 1000, 1000, 1010}));
  CHECK(dues({1, 1000, kStart}, {kDate, 0, kDate + 10, kDate + 20}) == (List{0, 0, 1000, 1010}));
}

TEST(aRestartBeginsWhereTheLastPassEnded) {
  ReplaySchedule schedule(1, kNone, kStart);
  CHECK(schedule.due(kDate) == kStart);
  CHECK(schedule.due(kDate + 100) == kStart + 100);
  schedule.restart();
  CHECK(schedule.due(kDate) == kStart + 100);
  CHECK(schedule.due(kDate + 100) == kStart + 200);
}

TEST(largeTimesDoNotOverflow) {
  ReplaySchedule slow(1e-9, kNone, kStart);
  CHECK(slow.due(0) == kStart);
  const std::uint64_t far = slow.due(kNone);
  CHECK(far > kStart + (std::uint64_t{1} << 61));
  CHECK(slow.due(5) == far);
  slow.restart();
  CHECK(slow.due(0) == far);
  CHECK(slow.due(kNone) == far);
}
