// A block in our hands: from the moment a loop takes it until everybody who reads it is done with it, JavaScript or a
// recorder.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "core/block/overflow_memory.h"
#include "core/ledger/taken_block.h"

namespace ringtap {

// Whose memory the block is, and where it goes at its end, the kinds of blocks know: ring_block.h, copied_block.h.
class HeldBlock {
 public:
  virtual ~HeldBlock() = default;
  HeldBlock(const HeldBlock&) = delete;
  HeldBlock& operator=(const HeldBlock&) = delete;

  // settle() calls change(content, taken) while nobody else reads and the content stays where it is; read() calls
  // visit(content, taken) while it stays where it is: not for long, a loop may have to wait for it. lend() fixes the
  // address of the content until the end.
  template <typename Change>
  void settle(Change&& change) {
    std::lock_guard lock(mutex_);
    change(data_, taken_);
  }
  template <typename Visit>
  void read(Visit&& visit) {
    std::shared_lock lock(mutex_);
    visit(data_, std::as_const(taken_));
  }
  [[nodiscard]] const TakenBlock& taken() const { return taken_; }
  [[nodiscard]] std::byte* lend() {
    // Shared: JavaScript does not wait for a recorder that reads the same block.
    std::shared_lock lock(mutex_);
    lent_ = true;
    return data_;
  }
  // Whether it takes up overflow memory, or nothing, rather than a place in a ring.
  [[nodiscard]] virtual bool home() const = 0;

  // Each lease joins and leaves; with the last one the content is not read any more. If one is left it may be a
  // recorder's, which can drop the block for its memory.
  void join() { ++leases_; }
  void leave() {
    const std::uint32_t left = --leases_;
    if (left == 0) end();
    else if (left == 1) overflow_->retryRefused();
  }
  [[nodiscard]] std::uint32_t leases() const { return leases_; }

 protected:
  // `overflow`: where the memory of the block is counted, or would be once it is evicted from its ring.
  HeldBlock(std::byte* data, TakenBlock taken, std::shared_ptr<OverflowMemory> overflow)
      : taken_(std::move(taken)), data_(data), overflow_(std::move(overflow)) {}

  // The content is not read any more. Idempotent.
  virtual void end() = 0;
  // In whole 64-bit words, as the content is read.
  [[nodiscard]] std::size_t length() const { return (std::size_t{taken_.summary.length} + 7) / 8 * 8; }

  mutable std::shared_mutex mutex_;
  TakenBlock taken_;
  std::byte* data_;
  const std::shared_ptr<OverflowMemory> overflow_;
  std::atomic<bool> lent_{false};  // set under a shared lock

 private:
  std::atomic<std::uint32_t> leases_{0};
};

// The right to read one block; it ends with this object.
class Lease {
 public:
  explicit Lease(std::shared_ptr<HeldBlock> block) : block_(std::move(block)) { block_->join(); }
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
  template <typename Visit>
  void read(Visit&& visit) {
    block_->read(visit);
  }
  [[nodiscard]] std::byte* lend() { return block_->lend(); }
  [[nodiscard]] const HeldBlock& block() const { return *block_; }
  [[nodiscard]] const TakenBlock& taken() const { return block_->taken(); }

 private:
  void end() {
    if (block_) block_->leave();
    block_.reset();
  }

  std::shared_ptr<HeldBlock> block_;
};

}  // namespace ringtap
