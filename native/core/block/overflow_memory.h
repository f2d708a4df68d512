// The bounded memory for blocks that were copied out of a ring.
//
// Thread-safe. After a refusal a callback reports that memory has come back.
//
// Large pieces that come back are kept for the next ones, within the same limit: mapping and
// unmapping a megabyte costs as much as filling it. A loop frees them after it has had nothing to do for a while.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

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
    while (spareBytes_ > limit_ - used_) dropOne();
    return true;
  }
  // The size that a piece should have so that it can be used again.
  [[nodiscard]] static std::size_t roundUp(std::size_t bytes) {
    return bytes < kLarge ? bytes : (bytes + kLarge - 1) / kLarge * kLarge;
  }
  // Memory for what take() has granted; null where there is none.
  [[nodiscard]] std::unique_ptr<std::byte[]> allocate(std::size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      for (auto& [size, memory] : spares_) {
        if (size != bytes) continue;
        std::swap(spares_.back().memory, memory);
        std::swap(spares_.back().size, size);
        auto found = std::move(spares_.back().memory);
        spares_.pop_back();
        spareBytes_ -= bytes;
        return found;
      }
    }
    return std::unique_ptr<std::byte[]>(new (std::nothrow) std::byte[bytes]);
  }
  // `memory`: of allocate(), if it is that; `bytes` less kBlockOverhead long.
  void release(std::size_t bytes, std::unique_ptr<std::byte[]> memory = {}) {
    std::lock_guard lock(mutex_);
    used_ -= bytes;
    if (memory && bytes >= kLarge && spareBytes_ + bytes <= limit_ - used_) {
      spares_.push_back({bytes - kBlockOverhead, std::move(memory)});
      spareBytes_ += bytes - kBlockOverhead;
    }
    notifyRefused();
  }
  // Whoever was refused tries again: a block that takes up memory can be dropped now.
  void retryRefused() {
    std::lock_guard lock(mutex_);
    notifyRefused();
  }
  // Called after a refusal, when memory came back or retryRefused() is called; under the lock, so that an old callback
  // is not running any more when this returns: it must not come back here.
  void onRoom(std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    onRoom_ = std::move(callback);
  }
  [[nodiscard]] std::size_t used() const {
    std::lock_guard lock(mutex_);
    return used_;
  }
  // Bytes kept for later.
  [[nodiscard]] std::size_t spare() const {
    std::lock_guard lock(mutex_);
    return spareBytes_;
  }
  void dropSpares() {
    std::lock_guard lock(mutex_);
    while (!spares_.empty()) dropOne();
  }

 private:
  static constexpr std::size_t kLarge = 64 * 1024;
  struct Spare {
    std::size_t size;
    std::unique_ptr<std::byte[]> memory;
  };

  void notifyRefused() {
    if (!wanted_) return;
    wanted_ = false;
    if (onRoom_) onRoom_();
  }
  void dropOne() {
    spareBytes_ -= spares_.back().size;
    spares_.pop_back();
  }

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::size_t used_ = 0;
  std::vector<Spare> spares_;
  std::size_t spareBytes_ = 0;
  bool wanted_ = false;
  std::function<void()> onRoom_;
};

}  // namespace ringtap
