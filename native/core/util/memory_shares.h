// Divides a memory limit, in bytes, among buffers, of which more may be added later.
//
// Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace ringtap {

class MemoryShares {
 public:
  // Shares are multiples of `unit` and at least `minShare`, itself a multiple of `unit`.
  MemoryShares(std::size_t total, std::size_t unit, std::size_t minShare)
      : total_(total), left_(total), unit_(unit), minShare_(minShare), share_(minShare) {}

  // Sets the size of a share, for `count` buffers. With `more`, it leaves room for buffers added later: for twice
  // `count`, at least kLater in all. Call it before the first take().
  void plan(std::uint32_t count, bool more) {
    const std::size_t shares = more ? std::max<std::size_t>(kLater, std::size_t{2} * count) : std::max(count, 1u);
    share_ = std::max(minShare_, total_ / shares / unit_ * unit_);
  }

  [[nodiscard]] std::size_t share() const { return share_; }
  [[nodiscard]] std::size_t total() const { return total_; }
  [[nodiscard]] std::size_t used() const { return total_ - left_; }
  // False if less than one share is left.
  [[nodiscard]] bool take() {
    if (left_ < share_) return false;
    left_ -= share_;
    return true;
  }
  void release() { left_ += share_; }

 private:
  static constexpr std::size_t kLater = 16;

  std::size_t total_;
  std::size_t left_;
  std::size_t unit_;
  std::size_t minShare_;
  std::size_t share_;
};

}  // namespace ringtap
