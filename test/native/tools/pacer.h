// Computes when the next frames are due.
#pragma once

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <cstdint>

// Releases frames at an even rate from construction on. A late caller catches up.
class Pacer {
 public:
  // packetsPerSecond 0: all frames are due immediately.
  explicit Pacer(std::uint64_t packetsPerSecond) : rate_(packetsPerSecond), start_(now()) {
    prctl(PR_SET_TIMERSLACK, 1);  // the default of 50 µs would bunch the frames
  }

  // Sleeps until at least one frame is due. Returns the number of frames due beyond the `done` already sent, at most
  // `max`.
  std::uint64_t due(std::uint64_t done, std::uint64_t max) const {
    if (rate_ == 0) return max;
    const std::uint64_t at = start_ + scale(done, 1'000'000'000, rate_);
    if (now() < at) {
      const timespec until{static_cast<time_t>(at / 1'000'000'000), static_cast<long>(at % 1'000'000'000)};
      while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) {
      }
    }
    const std::uint64_t allowed = scale(now() - start_, rate_, 1'000'000'000) + 1;
    return std::clamp<std::uint64_t>(allowed > done ? allowed - done : 1, 1, max);
  }

  double seconds() const { return static_cast<double>(now() - start_) / 1e9; }

 private:
  static std::uint64_t now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
  }
  // value * by / over without overflow.
  static std::uint64_t scale(std::uint64_t value, std::uint64_t by, std::uint64_t over) {
    return static_cast<std::uint64_t>(static_cast<unsigned __int128>(value) * by / over);
  }

  std::uint64_t rate_;
  std::uint64_t start_;
};
