// Private memory for the content of one block.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "core/util/page_range.h"

namespace ringtap {

// What remains of a block's memory after the block has given it up. Readers on other threads may still have its
// addresses (page_range.h); when none can have them any more, `memory` may be released.
struct Remains {
  std::shared_ptr<void> memory;
  std::size_t bytes = 0;  // real memory that it occupies, in addition to the addresses
};

class BlockBytes {
 public:
  // Memory of at least this size is in pages of its own; smaller memory is on the heap, so that many small blocks need
  // neither a page nor a mapping each.
  static constexpr std::size_t kLarge = 64 * 1024;

  BlockBytes() = default;
  BlockBytes(BlockBytes&&) noexcept = default;
  BlockBytes& operator=(BlockBytes&&) noexcept = default;

  // Empty if there is no memory.
  [[nodiscard]] static BlockBytes allocate(std::size_t size) {
    BlockBytes bytes;
    bytes.size_ = size;
    if (size < kLarge) {
      bytes.heap_.reset(new (std::nothrow) std::byte[size]);
    } else if (auto pages = PageRange::allocate(size)) {
      bytes.pages_ = std::move(*pages);
    }
    return bytes;
  }

  [[nodiscard]] std::byte* data() const { return heap_ ? heap_.get() : pages_.data(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  explicit operator bool() const { return data() != nullptr; }
  // Whether the memory is in pages of its own.
  [[nodiscard]] bool inPages() const { return bool{pages_}; }

  // Frees the memory after the first `size` bytes; size() stays.
  void discardAfter(std::size_t size) const {
    if (pages_) pages_.discardAfter(size);
  }

  // Withdraws the memory from readers, by moving its pages to another address if it is in pages. Afterwards this object
  // is empty, or holds memory of the same size, with unspecified content, at another address.
  [[nodiscard]] Remains vacate() {
    if (pages_) {
      if (auto old = pages_.relocate()) return {std::make_shared<PageRange>(std::move(*old)), 0};
      return {std::make_shared<PageRange>(std::move(pages_)), size_};
    }
    if (!heap_) return {};
    return {std::shared_ptr<std::byte[]>(std::move(heap_)), size_};
  }

 private:
  std::unique_ptr<std::byte[]> heap_;
  PageRange pages_;
  std::size_t size_ = 0;
};

}  // namespace ringtap
