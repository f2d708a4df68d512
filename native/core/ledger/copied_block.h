// A block of packets copied out of the kernel, with its own memory.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "core/block/block_bytes.h"
#include "core/block/deferred_memory.h"
#include "core/block/overflow_memory.h"
#include "core/ledger/lease.h"

namespace ringtap {

// Memory for one block, counted as overflow memory during its lifetime.
class BlockMemory {
 public:
  // nullopt if the overflow memory is used up or the allocation fails.
  [[nodiscard]] static std::optional<BlockMemory> take(std::shared_ptr<OverflowMemory> overflow, std::size_t size) {
    if (!overflow->take(size + kBlockOverhead)) return std::nullopt;
    BlockBytes bytes = overflow->allocate(size);
    if (bytes) return BlockMemory(std::move(overflow), std::move(bytes), size);
    overflow->release(size + kBlockOverhead);
    return std::nullopt;
  }
  BlockMemory(BlockMemory&&) noexcept = default;
  BlockMemory& operator=(BlockMemory&&) = delete;
  ~BlockMemory() {
    if (overflow_) overflow_->release(charged_ + kBlockOverhead, std::move(bytes_));
  }

  [[nodiscard]] std::byte* data() const { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::shared_ptr<OverflowMemory>& overflow() const { return overflow_; }
  // Releases the memory beyond `size` bytes. The content may move.
  void shrink(std::size_t size) {
    const std::size_t needed = OverflowMemory::roundUp(size);
    if (needed >= charged_) return;
    if (needed >= BlockBytes::kLarge) {
      bytes_.discardAfter(needed);
      overflow_->release(charged_ - needed);
    } else {
      BlockBytes small = BlockBytes::allocate(size);
      if (!small) return;
      std::memcpy(small.data(), bytes_.data(), size);
      overflow_->release(charged_ - needed, std::exchange(bytes_, std::move(small)));
    }
    charged_ = needed;
  }
  // Ends the use of data() while readers on other threads may still have its address.
  [[nodiscard]] Remains vacate(DeferredMemory& deferred) { return deferred.vacate(bytes_); }

 private:
  BlockMemory(std::shared_ptr<OverflowMemory> overflow, BlockBytes bytes, std::size_t size)
      : overflow_(std::move(overflow)), bytes_(std::move(bytes)), charged_(size) {}

  std::shared_ptr<OverflowMemory> overflow_;  // null after a move
  BlockBytes bytes_;
  std::size_t charged_;  // bytes taken from the overflow memory, without kBlockOverhead
};

class CopiedBlock final : public HeldBlock {
 public:
  CopiedBlock(BlockMemory memory, TakenBlock taken) : HeldBlock(memory.data(), std::move(taken), memory.overflow()) {
    memory_.emplace(std::move(memory));
  }
  [[nodiscard]] bool outsideRing() const override { return true; }
  [[nodiscard]] std::optional<Remains> vacate(DeferredMemory& deferred) override {
    std::lock_guard lock(mutex_);
    return memory_ ? memory_->vacate(deferred) : Remains{};
  }

 private:
  void end() override {
    std::lock_guard lock(mutex_);
    memory_.reset();
  }

  std::optional<BlockMemory> memory_;
};

}  // namespace ringtap
