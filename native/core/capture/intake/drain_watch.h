// Says when nothing is left of what a loop had received before it was told to drain.
//
// The loop's thread's.
#pragma once

#include <chrono>

namespace ringtap {

class DrainWatch {
 public:
  // `maxDelay`: after which what is received is handed over.
  explicit DrainWatch(std::chrono::milliseconds maxDelay) : maxDelay_(maxDelay) {}

  enum class State { Waiting, Drained, Overdue };

  // Asked again and again, from the moment the drain was asked for until it is not Waiting any more. `allTaken`:
  // nothing is known to be left.
  State look(bool allTaken) {
    if (!asked_) since_ = Clock::now();
    asked_ = true;
    // A packet that passed the old filter on another processor may not be counted yet: that time covers it.
    const auto waited = Clock::now() - since_;
    if (waited >= maxDelay_ && allTaken) return State::Drained;
    return waited >= 100 * maxDelay_ + std::chrono::seconds(1) ? State::Overdue : State::Waiting;
  }

  // When to look again.
  [[nodiscard]] int timeout() const { return static_cast<int>(maxDelay_.count()) + 1; }

 private:
  using Clock = std::chrono::steady_clock;
  const std::chrono::milliseconds maxDelay_;
  bool asked_ = false;
  Clock::time_point since_{};
};

}  // namespace ringtap
