// Lets a thread wait until a loop on another thread has completed a round.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace ringtap {

class Rounds {
 public:
  // The waiting side: await(request()), with a wake-up of the loop in between.
  [[nodiscard]] std::uint64_t request() { return ++requested_; }
  // Blocks until the loop has completed a round that began after the request, or has ended.
  void await(std::uint64_t request) {
    std::unique_lock lock(mutex_);
    completed_.wait(lock, [&] { return served_ >= request; });
  }

  // The loop's side: begin() at the start of a round, complete() with its result at the end.
  [[nodiscard]] std::uint64_t begin() const { return requested_; }
  [[nodiscard]] bool wanted() const { return requested_ > served_; }
  void complete(std::uint64_t begun) {
    if (begun == served_) return;
    std::lock_guard lock(mutex_);
    if (served_ < begun) served_ = begun;
    completed_.notify_all();
  }
  // No further round follows.
  void end() { complete(UINT64_MAX); }

 private:
  std::atomic<std::uint64_t> requested_{0};
  std::atomic<std::uint64_t> served_{0};
  std::mutex mutex_;
  std::condition_variable completed_;
};

}  // namespace ringtap
