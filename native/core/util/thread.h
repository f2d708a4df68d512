// Threads of the core: named, with all signals blocked, joined by their owner.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <utility>

#include "core/util/result.h"

namespace ringtap {

// The destructor joins the thread if join() was not called before.
class Thread {
 public:
  // Runs `body` on a new thread. `name`: at most 15 bytes, shown by ps and gdb. All signals are blocked on it, so that
  // the program's own threads handle them. `stackSize`: bytes, 0 for the system's default. Code::System, with
  // pthread_create and errno, if the thread cannot be created (EAGAIN: RLIMIT_NPROC or a cgroup's pids.max); `body` is
  // then not called.
  [[nodiscard]] static Result<Thread> start(const char* name, std::function<void()> body, std::size_t stackSize = 0);

  // No thread.
  Thread() = default;
  Thread(Thread&& other) noexcept : id_(other.id_), joinable_(std::exchange(other.joinable_, false)) {}
  Thread& operator=(Thread&& other) noexcept {
    if (this != &other) {
      join();
      id_ = other.id_;
      joinable_ = std::exchange(other.joinable_, false);
    }
    return *this;
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { join(); }

  [[nodiscard]] bool joinable() const { return joinable_; }
  // Valid while joinable().
  [[nodiscard]] pthread_t id() const { return id_; }
  // Waits for body() to return. Idempotent; must not be called on the thread itself.
  void join() {
    if (std::exchange(joinable_, false)) pthread_join(id_, nullptr);
  }

 private:
  explicit Thread(pthread_t id) : id_(id), joinable_(true) {}

  pthread_t id_{};
  bool joinable_ = false;
};

}  // namespace ringtap
