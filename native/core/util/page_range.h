// Mapped memory in whole pages, and how to withdraw it from readers that cannot be stopped.
//
// JavaScript may pass a view on a block to functions that read or write it on another thread (zlib, fs, crypto). Such
// a thread has the address and continues when the block is released. So the addresses have to stay mapped until no
// reader can have them, and other content must not appear there: the memory behind them is replaced by zeros, and what
// was there is used under another address. Where there is enough memory, nothing is replaced: deferred_memory.h.
//
// Not thread-safe. The memory itself may be used by any thread during all calls.
#pragma once

#include <cstddef>
#include <utility>

#include "core/util/result.h"

namespace ringtap {

class PageRange {
 public:
  PageRange() = default;
  // Takes over `size` bytes, whole pages, that the caller has mapped.
  PageRange(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  PageRange(PageRange&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PageRange& operator=(PageRange&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  PageRange(const PageRange&) = delete;
  PageRange& operator=(const PageRange&) = delete;
  // Unmaps the memory.
  ~PageRange();

  // Private memory that reads as zeros; `size` is rounded up to whole pages.
  [[nodiscard]] static Result<PageRange> allocate(std::size_t size);
  [[nodiscard]] static std::size_t wholePages(std::size_t size);

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  explicit operator bool() const { return data_ != nullptr; }

  // Replaces all of the memory by zeros, in one step: a concurrent reader finds the old content or zeros. On an error
  // the memory is unchanged.
  [[nodiscard]] Result<> clear();
  // Moves this memory to another address, with unspecified content. Returns the old addresses, which read as zeros. On
  // an error nothing has changed.
  [[nodiscard]] Result<PageRange> relocate();
  // Frees the memory from `size` bytes on, rounded up to whole pages; it reads as zeros then.
  void discardAfter(std::size_t size) const;
  // Ends the ownership, without unmapping.
  void forget() {
    data_ = nullptr;
    size_ = 0;
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ringtap
