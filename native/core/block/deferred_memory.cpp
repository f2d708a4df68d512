#include "core/block/deferred_memory.h"

#include <utility>

#include "core/block/overflow_memory.h"

namespace ringtap {

namespace {

// In any case: without room for more, a block is vacated by moving its pages, and the next is copied into those.
constexpr std::size_t kSparesKept = 1;

}  // namespace

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
  auto kept = std::make_shared<Kept>(shared_from_this(), std::exchange(bytes, spares_.take(size, size)));
  spares_.trim(room(), kSparesKept);
  return {std::move(kept), size};
}

std::size_t DeferredMemory::roundUp(std::size_t size) {
  return std::max(BlockBytes::kLarge, OverflowMemory::roundUp(size));
}

BlockBytes DeferredMemory::allocate(std::size_t size) {
  const std::size_t wanted = roundUp(size);
  if (BlockBytes spare = spares_.take(wanted, 2 * wanted)) return spare;
  return BlockBytes::allocate(wanted);
}

void DeferredMemory::release(BlockBytes bytes) {
  if (!bytes || closed_) return;
  spares_.put(std::move(bytes));
  spares_.trim(room(), kSparesKept);
}

void DeferredMemory::beginLease(std::size_t size) {
  lent_ += size;
  spares_.trim(room(), kSparesKept);
}

void DeferredMemory::dropSpares() { spares_.trim(0, kSparesKept); }

void DeferredMemory::close() {
  closed_ = true;
  spares_.trim(0);
}

}  // namespace ringtap
