// A block in our hands: from the moment a loop takes it until JavaScript is done with it.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

#include "core/selection_table.h"

namespace ringtap {

// Whose memory the block is, and where it goes at its end, the kinds of blocks know: ring_block.h, copied_block.h.
class HeldBlock {
 public:
  virtual ~HeldBlock() = default;
  HeldBlock(const HeldBlock&) = delete;
  HeldBlock& operator=(const HeldBlock&) = delete;

  // JavaScript's part. settle() calls change(content, taken) while the content stays where it is; lend() fixes the
  // address of the content until end().
  template <typename Change>
  void settle(Change&& change) {
    std::lock_guard lock(mutex_);
    change(data_, taken_);
  }
  [[nodiscard]] const TakenBlock& taken() const { return taken_; }
  [[nodiscard]] std::byte* lend() {
    std::lock_guard lock(mutex_);
    lent_ = true;
    return data_;
  }
  // The content is not read any more. Idempotent.
  virtual void end() = 0;

 protected:
  HeldBlock(std::byte* data, TakenBlock taken) : taken_(std::move(taken)), data_(data) {}

  // In whole 64-bit words, as the content is read.
  [[nodiscard]] std::size_t length() const { return (std::size_t{taken_.summary.length} + 7) / 8 * 8; }

  mutable std::mutex mutex_;
  TakenBlock taken_;
  std::byte* data_;
  bool lent_ = false;
};

// The right to read one block; it ends with this object.
class Lease {
 public:
  explicit Lease(std::shared_ptr<HeldBlock> block) : block_(std::move(block)) {}
  Lease(Lease&& other) noexcept = default;
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      end();
      block_ = std::move(other.block_);
    }
    return *this;
  }
  ~Lease() { end(); }

  template <typename Change>
  void settle(Change&& change) {
    block_->settle(change);
  }
  [[nodiscard]] std::byte* lend() { return block_->lend(); }
  [[nodiscard]] const TakenBlock& taken() const { return block_->taken(); }

 private:
  void end() {
    if (block_) block_->end();
    block_.reset();
  }

  std::shared_ptr<HeldBlock> block_;
};

}  // namespace ringtap
