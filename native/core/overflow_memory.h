// The bounded memory for blocks that were copied out of a ring.
//
// Thread-safe. Whoever is refused is told when memory has come back.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>

namespace ringtap {

// What a block costs besides its bytes, counted so that many small ones are bounded too.
inline constexpr std::size_t kBlockOverhead = 512;

class OverflowMemory {
 public:
  explicit OverflowMemory(std::size_t limit) : limit_(limit) {}

  [[nodiscard]] std::size_t limit() const { return limit_; }
  // False, and nothing is taken, where it would exceed the limit.
  [[nodiscard]] bool take(std::size_t bytes) {
    std::lock_guard lock(mutex_);
    if (bytes > limit_ - used_) {
      wanted_ = true;
      return false;
    }
    used_ += bytes;
    return true;
  }
  void giveBack(std::size_t bytes) {
    std::lock_guard lock(mutex_);
    used_ -= bytes;
    if (!wanted_) return;
    wanted_ = false;
    if (onRoom_) onRoom_();
  }
  // Called when memory came back after a refusal; under the lock, so that an old callback is not running any more when
  // this returns: it must not come back here.
  void onRoom(std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    onRoom_ = std::move(callback);
  }
  [[nodiscard]] std::size_t used() const {
    std::lock_guard lock(mutex_);
    return used_;
  }

 private:
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::size_t used_ = 0;
  bool wanted_ = false;
  std::function<void()> onRoom_;
};

}  // namespace ringtap
