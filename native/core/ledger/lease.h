// A block taken from a ring or copied, held until all of its readers (JavaScript, a recorder) have released it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>

#include "core/block/block_bytes.h"
#include "core/block/deferred_memory.h"
#include "core/block/overflow_memory.h"
#include "core/ledger/taken_block.h"

namespace ringtap {

// Subclasses own the block's memory: ring_block.h, copied_block.h.
class HeldBlock {
 public:
  virtual ~HeldBlock() = default;
  HeldBlock(const HeldBlock&) = delete;
  HeldBlock& operator=(const HeldBlock&) = delete;

  // modify() calls change(content, taken) under an exclusive lock, read() calls visit(content, taken) under a shared
  // one. The content does not move during the call. Both must be short, because a capture loop may wait for the lock.
  // After lend() the content does not move until the last lease ends.
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
  // Withdraws the content, which was lent, from readers on other threads that may still have its address. Call it
  // through the last lease, before that ends; the content is not read any more. nullopt if that is not possible: the
  // lease must then last until no reader can have the address.
  [[nodiscard]] virtual std::optional<Remains> vacate(DeferredMemory& deferred) = 0;
  // True if the block occupies no place in a ring: it is in overflow memory, or already released.
  [[nodiscard]] virtual bool outsideRing() const = 0;

  // Whether so much of the overflow memory is used, a quarter, or there is so little, that blocks are not to be held
  // for longer than necessary.
  [[nodiscard]] bool crowded() const { return overflow_->used() >= overflow_->limit() / 4; }

  // Called by each lease. After the last leave() the content is not read any more. Leases that remain may be those of
  // recorders, which can then drop the block to free its memory; so refused requests for memory are retried.
  void join() { ++leases_; }
  void leave() {
    const std::uint32_t left = --leases_;
    if (left == 0) end();
    else if (left <= 2) overflow_->retryRefused();
  }
  [[nodiscard]] std::uint32_t leases() const { return leases_; }

 protected:
  // `overflow`: counts the block's memory, now or once the block is evicted from its ring.
  HeldBlock(std::byte* data, TakenBlock taken, std::shared_ptr<OverflowMemory> overflow)
      : taken_(std::move(taken)), data_(data), overflow_(std::move(overflow)) {}

  // Releases the content after the last lease has ended. Idempotent.
  virtual void end() = 0;
  // In bytes, rounded up to whole 64-bit words, because the content is read in such words.
  [[nodiscard]] std::size_t length() const { return (std::size_t{taken_.summary.length} + 7) / 8 * 8; }

  mutable std::shared_mutex mutex_;
  TakenBlock taken_;
  std::byte* data_;
  const std::shared_ptr<OverflowMemory> overflow_;
  std::atomic<bool> lent_{false};  // set under a shared lock

 private:
  std::atomic<std::uint32_t> leases_{0};
};

// The right to read one block, for the lifetime of this object.
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
  [[nodiscard]] std::optional<Remains> vacate(DeferredMemory& deferred) { return block_->vacate(deferred); }
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
