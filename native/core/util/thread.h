// Threads of the core's own: named, without signals, joined by their owner.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <utility>

#include "core/util/result.h"

namespace ringtap {

// Owner: whoever holds the object; it joins the thread in its destructor, if join() was not called before.
class Thread {
 public:
  // Runs `body` on a new thread. `name`: at most 15 bytes, as ps and gdb show it. All signals are blocked there: they
  // are for the program's own threads. `stackSize`: bytes, 0 for the system's default. System, with pthread_create and
  // errno, where no thread can be made (EAGAIN: RLIMIT_NPROC or a cgroup's pids.max): `body` does not run.
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
  // Waits for body() to return. Idempotent; not from the thread itself.
  void join() {
    if (std::exchange(joinable_, false)) pthread_join(id_, nullptr);
  }

 private:
  explicit Thread(pthread_t id) : id_(id), joinable_(true) {}

  pthread_t id_{};
  bool joinable_ = false;
};

}  // namespace ringtap
