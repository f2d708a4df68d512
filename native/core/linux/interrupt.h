// Lets one thread end another thread's wait.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

class Interrupt {
 public:
  [[nodiscard]] static Result<Interrupt> open();
  Interrupt(Interrupt&& other) noexcept : event_(std::move(other.event_)), raised_(other.raised_.load()) {}

  // Any thread. Stays raised until clear().
  void raise();
  // Only while no thread waits.
  void clear();
  [[nodiscard]] bool raised() const { return raised_.load(std::memory_order_acquire); }

  // Waits until monotonicNow() (clock.h) reaches `time`, in nanoseconds; never returns true earlier. False if raised,
  // within about a millisecond. On a thread with a small timer slack (prctl(2), PR_SET_TIMERSLACK) it is as precise as
  // the kernel's timers.
  [[nodiscard]] bool sleepUntil(std::uint64_t time) const;
  // Waits until `fd` is writable, monotonicNow() reaches `time`, or it is raised. fd -1: no descriptor.
  void waitWritable(int fd, std::uint64_t time) const;

 private:
  explicit Interrupt(UniqueFd event) : event_(std::move(event)) {}

  UniqueFd event_;
  std::atomic<bool> raised_{false};
};

}  // namespace ringtap
