// One thread's way to end another's wait.
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

  // From any thread. Stays until clear().
  void raise();
  // While nobody waits.
  void clear();
  [[nodiscard]] bool raised() const { return raised_.load(std::memory_order_acquire); }

  // Waits until this moment of monotonicNow() (clock.h), and never less. False at once when raised, or within a
  // millisecond or so of it. On a thread whose timer slack is small (prctl(2), PR_SET_TIMERSLACK) it wakes as exactly
  // as the kernel's timers do.
  [[nodiscard]] bool sleepUntil(std::uint64_t time) const;
  // Waits until `fd` is writable, that moment has come, or it is raised. fd -1: none.
  void waitWritable(int fd, std::uint64_t time) const;

 private:
  explicit Interrupt(UniqueFd event) : event_(std::move(event)) {}

  UniqueFd event_;
  std::atomic<bool> raised_{false};
};

}  // namespace ringtap
