// Memory of released blocks that readers on other threads may still have the addresses of (page_range.h).
//
// Either it is kept as it is until there can be no such reader, and used again then; that takes memory, `limit` bytes
// at most. Or its pages are moved to other addresses at once; that takes two changes of each page's mapping, which is
// cheap on bare metal, but takes up to 5 µs a page in virtual machines whose page tables the hypervisor shadows.
//
// Not thread-safe: JavaScript's thread vacates the memory, and the garbage collector on that thread tells when it may
// be used again.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/block/block_bytes.h"

namespace ringtap {

class DeferredMemory : public std::enable_shared_from_this<DeferredMemory> {
 public:
  explicit DeferredMemory(std::size_t limit) : limit_(limit) {}

  // Withdraws the memory from readers. Afterwards `bytes` is empty, or holds memory of the same size, with unspecified
  // content, at another address.
  [[nodiscard]] Remains vacate(BlockBytes& bytes);
  // Whether vacate() would keep `size` bytes as they are.
  [[nodiscard]] bool hasRoom(std::size_t size) const { return size <= limit_ - deferred_; }

  // Returns pages of at least `size` bytes, used before if possible; empty if there is no memory. They count towards
  // the limit after vacate() only.
  [[nodiscard]] BlockBytes allocate(std::size_t size);
  // Takes back memory that has no readers: it is kept for the next allocation within the limit, or freed. May be empty.
  void release(BlockBytes bytes);
  // Frees the memory without readers; from now on no memory is kept for later.
  void close();

 private:
  struct Kept;

  BlockBytes takeSpare(std::size_t minSize, std::size_t maxSize);
  void trim();

  const std::size_t limit_;
  std::size_t deferred_ = 0;  // bytes that may have readers
  std::vector<BlockBytes> spares_;
  std::size_t spareBytes_ = 0;
  bool closed_ = false;
};

}  // namespace ringtap
