// Tells by when a packet was dropped for want of which room: while the overflow memory was refused (`overflow`), or
// else
// (`ring`).
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

  // From here on the overflow memory is refused, or is not any more. `drops()`: how many there were so far. True where
  // that is a change.
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
