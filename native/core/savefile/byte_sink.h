// A growable output buffer. clear() keeps the memory for the next use.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace ringtap {

class ByteSink {
 public:
  // Appends `bytes` uninitialised bytes, for the caller to fill in. The pointer is valid until the next grow() or
  // put().
  [[nodiscard]] std::byte* grow(std::size_t bytes) {
    if (capacity_ - size_ < bytes && !enlarge(size_ + bytes)) std::abort();
    std::byte* at = memory_.get() + size_;
    size_ += bytes;
    return at;
  }
  // Makes room for `bytes` more, so that grow() and put() allocate nothing for them. False if there is no memory; they
  // would end the process then.
  [[nodiscard]] bool reserve(std::size_t bytes) {
    if (capacity_ - size_ >= bytes) return true;
    return enlarge(size_ + bytes);
  }
  template <typename T>
  void put(const T& value) {
    std::memcpy(grow(sizeof value), &value, sizeof value);
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  // Bytes of memory, which only grows: to twice as much, or to what is needed if that is more.
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::byte* data() { return memory_.get(); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {memory_.get(), size_}; }
  void clear() { size_ = 0; }
  // Truncates to the first `size` bytes.
  void shorten(std::size_t size) { size_ = size; }
  // Gives the bytes away and becomes empty. If they fill less than half of the memory, they move to memory of their own
  // size. Null if there is none for that, or no byte.
  [[nodiscard]] std::unique_ptr<std::byte[]> release() {
    std::unique_ptr<std::byte[]> bytes;
    if (size_ < capacity_ / 2) {
      if (size_ > 0) bytes.reset(new (std::nothrow) std::byte[size_]);
      if (bytes) std::memcpy(bytes.get(), memory_.get(), size_);
    } else {
      bytes = std::move(memory_);
      capacity_ = 0;
    }
    size_ = 0;
    return bytes;
  }

 private:
  [[nodiscard]] bool enlarge(std::size_t wanted) {
    const std::size_t capacity = wanted > 2 * capacity_ ? wanted : 2 * capacity_;
    std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[capacity]);
    if (!memory) return false;
    if (size_ > 0) std::memcpy(memory.get(), memory_.get(), size_);
    memory_ = std::move(memory);
    capacity_ = capacity;
    return true;
  }

  std::unique_ptr<std::byte[]> memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace ringtap
