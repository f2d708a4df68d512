// Finds out when nothing is left of what a loop had received before it was asked to drain.
//
// Owner: the loop's thread.
#pragma once

#include <chrono>

namespace ringtap {

class DrainWatch {
 public:
  // `maxDelay`: the time within which received packets are handed over.
  explicit DrainWatch(std::chrono::milliseconds maxDelay) : maxDelay_(maxDelay) {}

  enum class State { Waiting, Drained, Overdue };

  // To be called repeatedly from the moment the drain was asked for, until the result is not Waiting any more.
  // `allTaken`: no packet is known to be left.
  State look(bool allTaken) {
    if (!asked_) since_ = Clock::now();
    asked_ = true;
    // A packet that passed the old filter on another processor may not be counted yet: that time covers it.
    const auto waited = Clock::now() - since_;
    if (waited >= maxDelay_ && allTaken) return State::Drained;
    return waited >= 100 * maxDelay_ + std::chrono::seconds(1) ? State::Overdue : State::Waiting;
  }

  // Milliseconds until look() should be called again.
  [[nodiscard]] int timeout() const { return static_cast<int>(maxDelay_.count()) + 1; }

 private:
  using Clock = std::chrono::steady_clock;
  const std::chrono::milliseconds maxDelay_;
  bool asked_ = false;
  Clock::time_point since_{};
};

}  // namespace ringtap
