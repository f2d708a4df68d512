// The bounded memory for blocks that were copied out of a ring.
//
// Thread-safe. After take() has refused memory, a callback reports that some was released.
//
// Large released pieces are kept for reuse, within the same limit. A loop frees them after it has been idle for a
// while.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "core/block/block_bytes.h"
#include "core/block/spare_memory.h"

namespace ringtap {

// Charged per block in addition to its bytes, so that the number of small blocks is bounded too.
inline constexpr std::size_t kBlockOverhead = 512;

class OverflowMemory {
 public:
  explicit OverflowMemory(std::size_t limit) : limit_(limit) {}

  [[nodiscard]] std::size_t limit() const { return limit_; }
  // Returns false and takes nothing if the limit would be exceeded.
  [[nodiscard]] bool take(std::size_t bytes) {
    std::lock_guard lock(mutex_);
    if (bytes > limit_ - used_) {
      wanted_ = true;
      return false;
    }
    used_ += bytes;
    spares_.trim(limit_ - used_);
    return true;
  }
  // The size to allocate for a piece so that it can be reused.
  [[nodiscard]] static std::size_t roundUp(std::size_t bytes) {
    constexpr std::size_t unit = BlockBytes::kLarge;
    return bytes < unit ? bytes : (bytes + unit - 1) / unit * unit;
  }
  // Allocates memory that take() has granted; empty if the allocation fails.
  [[nodiscard]] BlockBytes allocate(std::size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      if (BlockBytes spare = spares_.take(bytes, bytes)) return spare;
    }
    return BlockBytes::allocate(bytes);
  }
  // `memory`: from allocate(), or of the same size, or empty.
  void release(std::size_t bytes, BlockBytes memory = {}) {
    std::lock_guard lock(mutex_);
    used_ -= bytes;
    if (memory && memory.size() >= BlockBytes::kLarge && spares_.bytes() + memory.size() <= limit_ - used_) {
      spares_.put(std::move(memory));
    }
    notifyRefused();
  }
  // Calls the callback so that refused requests are retried, for example because a block could now be dropped.
  void retryRefused() {
    std::lock_guard lock(mutex_);
    notifyRefused();
  }
  // Sets the callback, which is called after a refusal when memory is released or retryRefused() is called. It runs
  // under the lock, so the previous callback is not running any more when this returns; it must not call this object.
  void onRoom(std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    onRoom_ = std::move(callback);
  }
  [[nodiscard]] std::size_t used() const {
    std::lock_guard lock(mutex_);
    return used_;
  }
  // Bytes kept for reuse.
  [[nodiscard]] std::size_t spare() const {
    std::lock_guard lock(mutex_);
    return spares_.bytes();
  }
  void dropSpares() {
    std::lock_guard lock(mutex_);
    spares_.trim(0);
  }

 private:
  void notifyRefused() {
    if (!wanted_) return;
    wanted_ = false;
    if (onRoom_) onRoom_();
  }

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::size_t used_ = 0;
  SpareMemory spares_;
  bool wanted_ = false;
  std::function<void()> onRoom_;
};

}  // namespace ringtap
