// Splits a count of dropped packets by cause: dropped while overflow memory was refused (`overflow`), or at any other
// time (`ring`).
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>

namespace ringtap {

class DropCauses {
 public:
  struct Split {
    std::uint64_t ring = 0;
    std::uint64_t overflow = 0;
  };

  // Overflow memory is refused from now on (true), or available again (false). `drops()` returns the drops so far. True
  // if the state has changed.
  template <typename Drops>
  bool setStarved(bool starved, Drops&& drops) {
    std::lock_guard lock(mutex_);
    if (starved == starved_) return false;
    starved_ = starved;
    const std::uint64_t now = drops();
    if (starved) dropsWhenStarved_ = now;
    else overflow_ += now - dropsWhenStarved_;
    return true;
  }

  template <typename Drops>
  [[nodiscard]] Split split(Drops&& drops) {
    std::lock_guard lock(mutex_);
    const std::uint64_t now = drops();
    const std::uint64_t overflow = overflow_ + (starved_ ? now - dropsWhenStarved_ : 0);
    return {now - overflow, overflow};
  }

 private:
  std::mutex mutex_;
  bool starved_ = false;
  std::uint64_t dropsWhenStarved_ = 0;
  std::uint64_t overflow_ = 0;
};

}  // namespace ringtap
