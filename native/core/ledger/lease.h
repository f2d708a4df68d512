// A block that was taken out of a ring, until all of its readers (JavaScript, a recorder) have released it.
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

// Where the block's memory comes from and goes to is up to the kinds of blocks: ring_block.h, copied_block.h.
class HeldBlock {
 public:
  virtual ~HeldBlock() = default;
  HeldBlock(const HeldBlock&) = delete;
  HeldBlock& operator=(const HeldBlock&) = delete;

  // modify() calls change(content, taken) while nobody else reads; read() calls visit(content, taken). The content does
  // not move meanwhile, and a loop may have to wait for that: both must be short. lend() fixes the address of the
  // content until the last lease ends.
  template <typename Change>
  void modify(Change&& change) {
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

  // Called by each lease. After the last one has left, nobody reads the content. One that remains may be a recorder's,
  // which can drop the block for its memory.
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

  // Releases the content, which nobody reads any more. Idempotent.
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
  void modify(Change&& change) {
    block_->modify(change);
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
