// The thread of a capture loop and its epoll instance, with an eventfd for other threads to wake it.
//
// Owner: the loop. Once the thread runs, only it may call wait(), watch(), rearm() and unwatch(); any thread may call
// nudge().
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "core/util/result.h"
#include "core/util/thread.h"
#include "core/util/unique_fd.h"

namespace ringtap {

class LoopThread {
 public:
  LoopThread() = default;
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread() { stop(); }

  Result<> open();
  // `tag` is returned in the data of the descriptor's events.
  Result<> watch(int fd, std::uint32_t events, std::uint64_t tag) { return control(EPOLL_CTL_ADD, fd, events, tag); }
  // Re-enables a descriptor after its EPOLLONESHOT event.
  Result<> rearm(int fd, std::uint32_t events, std::uint64_t tag) { return control(EPOLL_CTL_MOD, fd, events, tag); }
  void unwatch(int fd) { (void)control(EPOLL_CTL_DEL, fd, 0, 0); }

  // Runs `body` on a new thread; see Thread::start(). `processor`: the only one that it runs on; see bindToProcessor(),
  // whose errors may come once `body` has been called: it has ended then.
  Result<> start(std::function<void()> body, std::optional<std::uint32_t> processor = std::nullopt);
  // True once stop() was called: body() has to return.
  [[nodiscard]] bool ending() const { return ending_; }
  // Wakes wait(). After a nudge between two waits, the next wait() returns immediately.
  void nudge();
  // Sets ending(), wakes the thread and waits for body() to return.
  void stop();

  // Waits for events, a nudge or the timeout (milliseconds; -1: none).
  [[nodiscard]] std::span<const epoll_event> wait(int timeout);

 private:
  Result<> control(int operation, int fd, std::uint32_t events, std::uint64_t tag);

  UniqueFd epoll_;
  UniqueFd eventfd_;
  Thread thread_;
  std::atomic<bool> ending_{false};
  std::array<epoll_event, 16> events_{};
};

}  // namespace ringtap
