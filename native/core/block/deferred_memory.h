// Memory of released blocks that readers on other threads may still have the addresses of (page_range.h).
//
// Either it is kept as it is until there can be no such reader, and used again then; that takes memory, within a
// limit. Or its pages are moved to other addresses at once; that takes two changes of each page's mapping, which is
// cheap on bare metal, but takes up to 5 µs a page in virtual machines whose page tables the hypervisor shadows.
//
// Not thread-safe: JavaScript's thread vacates the memory, and the garbage collector on that thread tells when it may
// be used again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>

#include "core/block/block_bytes.h"
#include "core/block/spare_memory.h"

namespace ringtap {

class DeferredMemory : public std::enable_shared_from_this<DeferredMemory> {
 public:
  // `limit`: bytes that may be kept, lent copies included. One piece of memory is kept beyond it, to copy into, and so
  // is what is too small for pages of its own (BlockBytes::kLarge).
  explicit DeferredMemory(std::size_t limit) : limit_(limit) {}

  // Withdraws the memory from readers. Afterwards `bytes` is empty, or holds memory of the same size, with unspecified
  // content, at another address.
  [[nodiscard]] Remains vacate(BlockBytes& bytes);
  // Whether vacate() would keep pages of `size` bytes as they are.
  [[nodiscard]] bool hasRoom(std::size_t size) const { return !closed_ && size <= room(); }

  // How much allocate() takes for `size` bytes.
  [[nodiscard]] static std::size_t roundUp(std::size_t size);
  // Returns pages of at least `size` bytes, used before if possible; empty if there is no memory.
  [[nodiscard]] BlockBytes allocate(std::size_t size);
  // Counts `size` bytes from allocate() towards the limit while JavaScript has them.
  void beginLease(std::size_t size);
  void endLease(std::size_t size) { lent_ -= size; }
  [[nodiscard]] std::size_t lent() const { return lent_; }
  // Takes back memory that has no readers: it is kept for the next allocation within the limit, or freed. May be empty.
  void release(BlockBytes bytes);
  // Frees the memory without readers, but for one piece.
  void dropSpares();
  // Frees the memory without readers; from now on no memory is kept for later.
  void close();

 private:
  struct Kept;

  [[nodiscard]] std::size_t room() const { return limit_ - std::min(limit_, deferred_ + lent_); }

  const std::size_t limit_;
  std::size_t deferred_ = 0;  // bytes that may have readers
  std::size_t lent_ = 0;      // bytes that JavaScript has
  SpareMemory spares_;
  bool closed_ = false;
};

}  // namespace ringtap
