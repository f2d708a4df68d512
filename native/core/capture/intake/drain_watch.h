// Determines when all packets that a loop received before its drain was requested are handed over.
//
// Owner: the loop's thread.
#pragma once

#include <chrono>

namespace ringtap {

class DrainWatch {
 public:
  // `maxDelay`: the longest time until a received packet is handed over.
  explicit DrainWatch(std::chrono::milliseconds maxDelay) : maxDelay_(maxDelay) {}

  enum class State { Waiting, Drained, Overdue };

  // Call it repeatedly once the drain is requested, until the result is not Waiting. `allTaken`: according to the
  // counters no packet is left. Overdue after a second and 100 times `maxDelay`.
  State look(bool allTaken) {
    if (!asked_) since_ = Clock::now();
    asked_ = true;
    // A packet that passed the old filter on another processor may not be counted yet; it will be within maxDelay_.
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
