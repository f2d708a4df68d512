// The thread of a capture loop and what it waits on: one epoll, with an eventfd for whoever wants it to look around.
//
// Owner: the loop. wait(), watch() and its kin are the thread's own once it runs; nudge() may be called from any.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
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
  // `tag` comes back with the events of the descriptor.
  Result<> watch(int fd, std::uint32_t events, std::uint64_t tag) { return control(EPOLL_CTL_ADD, fd, events, tag); }
  // Asks again for a descriptor whose EPOLLONESHOT was spent.
  Result<> rearm(int fd, std::uint32_t events, std::uint64_t tag) { return control(EPOLL_CTL_MOD, fd, events, tag); }
  void unwatch(int fd) { (void)control(EPOLL_CTL_DEL, fd, 0, 0); }

  // Runs `body` on the thread. As Thread::start().
  Result<> start(std::function<void()> body);
  // body() should return.
  [[nodiscard]] bool ending() const { return ending_; }
  // Wakes wait(). A nudge before wait() counts.
  void nudge();
  // Asks body() to return, and waits for it.
  void stop();

  // Waits for events, a nudge or the time-out (milliseconds; -1: none).
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
