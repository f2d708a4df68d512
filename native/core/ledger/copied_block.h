// A block of packets copied out of the kernel, with its own memory.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>

#include "core/block/overflow_memory.h"
#include "core/ledger/lease.h"

namespace ringtap {

// Memory for one block, counted as overflow memory during its lifetime.
class BlockMemory {
 public:
  // nullopt if the overflow memory is used up or the allocation fails.
  [[nodiscard]] static std::optional<BlockMemory> take(std::shared_ptr<OverflowMemory> overflow, std::size_t size) {
    if (!overflow->take(size + kBlockOverhead)) return std::nullopt;
    Bytes bytes(static_cast<std::byte*>(std::malloc(size)));
    if (bytes) return BlockMemory(std::move(overflow), std::move(bytes), size);
    overflow->release(size + kBlockOverhead);
    return std::nullopt;
  }
  BlockMemory(BlockMemory&&) noexcept = default;
  BlockMemory& operator=(BlockMemory&&) = delete;
  ~BlockMemory() {
    if (!bytes_) return;
    bytes_.reset();
    overflow_->release(size_ + kBlockOverhead);
  }

  [[nodiscard]] std::byte* data() const { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::shared_ptr<OverflowMemory>& overflow() const { return overflow_; }
  // Releases the memory beyond `size` bytes. The content may move.
  void shrink(std::size_t size) {
    if (size >= size_) return;
    void* smaller = std::realloc(bytes_.get(), size);
    if (smaller == nullptr) return;
    (void)bytes_.release();
    bytes_.reset(static_cast<std::byte*>(smaller));
    overflow_->release(size_ - size);
    size_ = size;
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  using Bytes = std::unique_ptr<std::byte, Free>;

  BlockMemory(std::shared_ptr<OverflowMemory> overflow, Bytes bytes, std::size_t size)
      : overflow_(std::move(overflow)), bytes_(std::move(bytes)), size_(size) {}

  std::shared_ptr<OverflowMemory> overflow_;
  Bytes bytes_;
  std::size_t size_;
};

class CopiedBlock final : public HeldBlock {
 public:
  CopiedBlock(BlockMemory memory, TakenBlock taken) : HeldBlock(memory.data(), std::move(taken), memory.overflow()) {
    memory_.emplace(std::move(memory));
  }
  [[nodiscard]] bool outsideRing() const override { return true; }

 private:
  void end() override {
    std::lock_guard lock(mutex_);
    memory_.reset();
  }

  std::optional<BlockMemory> memory_;
};

}  // namespace ringtap
