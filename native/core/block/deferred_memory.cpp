#include "core/block/deferred_memory.h"

#include <iterator>
#include <utility>

#include "core/block/overflow_memory.h"

namespace ringtap {

// Memory that may have readers; the destructor makes it a spare.
struct DeferredMemory::Kept {
  Kept(std::shared_ptr<DeferredMemory> owner, BlockBytes bytes) : owner(std::move(owner)), bytes(std::move(bytes)) {
    this->owner->deferred_ += this->bytes.size();
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  ~Kept() {
    owner->deferred_ -= bytes.size();
    owner->release(std::move(bytes));
  }

  std::shared_ptr<DeferredMemory> owner;
  BlockBytes bytes;
};

Remains DeferredMemory::vacate(BlockBytes& bytes) {
  const std::size_t size = bytes.size();
  if (!bytes.inPages() || !hasRoom(size)) return bytes.vacate();
  auto kept = std::make_shared<Kept>(shared_from_this(), std::exchange(bytes, takeSpare(size, size)));
  trim(room());
  return {std::move(kept), size};
}

std::size_t DeferredMemory::roundUp(std::size_t size) {
  return std::max(BlockBytes::kLarge, OverflowMemory::roundUp(size));
}

BlockBytes DeferredMemory::allocate(std::size_t size) {
  const std::size_t wanted = roundUp(size);
  BlockBytes spare = takeSpare(wanted, 2 * wanted);
  return spare ? std::move(spare) : BlockBytes::allocate(wanted);
}

void DeferredMemory::release(BlockBytes bytes) {
  if (!bytes || closed_) return;
  spareBytes_ += bytes.size();
  spares_.push_back(std::move(bytes));
  trim(room());
}

void DeferredMemory::beginLease(std::size_t size) {
  lent_ += size;
  trim(room());
}

void DeferredMemory::dropSpares() { trim(0); }

void DeferredMemory::close() {
  closed_ = true;
  spares_.clear();
  spareBytes_ = 0;
}

// The smallest spare of such a size; of several the one used last, which the processor's caches may still hold.
BlockBytes DeferredMemory::takeSpare(std::size_t minSize, std::size_t maxSize) {
  auto found = spares_.rend();
  for (auto spare = spares_.rbegin(); spare != spares_.rend(); ++spare) {
    if (spare->size() < minSize || spare->size() > maxSize) continue;
    if (found == spares_.rend() || spare->size() < found->size()) found = spare;
  }
  if (found == spares_.rend()) return {};
  BlockBytes bytes = std::move(*found);
  spareBytes_ -= bytes.size();
  spares_.erase(std::next(found).base());
  return bytes;
}

// One spare is kept in any case: without room for more, a block is vacated by moving its pages, and copied into those
// again.
void DeferredMemory::trim(std::size_t maxBytes) {
  auto end = spares_.begin();
  while (spares_.end() - end > 1 && spareBytes_ > maxBytes) spareBytes_ -= (end++)->size();
  spares_.erase(spares_.begin(), end);
}

}  // namespace ringtap
