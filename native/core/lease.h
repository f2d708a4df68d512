// A block in our hands: from the moment the loop takes it until JavaScript is done with it.
//
// The block holds up the ring once the kernel has come round to it. So the loop can evict it: what is in it is copied
// to overflow memory and the block goes back, while whoever reads it goes on reading the same bytes at the same
// address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "core/overflow_memory.h"
#include "core/result.h"
#include "core/ring.h"
#include "core/selection_table.h"

namespace ringtap {

class HeldBlock {
 public:
  // Of the block `index` as the ring maps it now.
  HeldBlock(std::shared_ptr<Ring> ring, std::uint32_t index, TakenBlock taken,
            std::shared_ptr<OverflowMemory> overflow);
  ~HeldBlock();
  HeldBlock(const HeldBlock&) = delete;
  HeldBlock& operator=(const HeldBlock&) = delete;

  // The loop's part. Whether the kernel has the block back.
  [[nodiscard]] bool home() const;
  // Copies the content out and gives the block back. False where the overflow memory does not take it: nothing changed.
  // An error where the kernel refuses the memory. Nothing to do, and true, once the block is home.
  Result<bool> evict();

  // JavaScript's part. settle() calls change(content, taken) while the content stays where it is; lend() fixes the
  // address of the content until end().
  template <typename Change>
  void settle(Change&& change) {
    std::lock_guard lock(mutex_);
    change(data_, taken_);
  }
  [[nodiscard]] const TakenBlock& taken() const { return taken_; }
  [[nodiscard]] std::byte* lend();
  // The content is not read any more. The block goes back, if it has not yet. Idempotent.
  void end();

 private:
  // In whole 64-bit words, as the content is read.
  [[nodiscard]] std::size_t length() const { return (std::size_t{taken_.summary.length} + 7) / 8 * 8; }

  mutable std::mutex mutex_;
  std::shared_ptr<Ring> ring_;
  std::shared_ptr<RingView> view_;  // the mapping that data_ points into, also after the ring has a newer one
  std::uint32_t index_;
  TakenBlock taken_;
  std::shared_ptr<OverflowMemory> overflow_;
  std::byte* data_;
  std::unique_ptr<std::byte[]> copy_;  // evicted before it was lent
  std::size_t charged_ = 0;            // overflow memory taken
  bool lent_ = false;
  bool home_ = false;
  bool ended_ = false;
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
