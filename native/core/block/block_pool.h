// A fixed number of memory blocks of one size, for packets that are not in a kernel ring.
//
// Thread-safe. A block's memory is allocated when it is first needed; all of it is freed with the pool and its last
// block, but for what is deferred (deferred_memory.h).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "core/block/block.h"
#include "core/block/block_bytes.h"
#include "core/block/deferred_memory.h"
#include "core/util/result.h"

namespace ringtap {

class BlockPool;

// A block of the pool. Its destructor returns it; until then it keeps the pool alive.
class PooledBlock {
 public:
  PooledBlock(std::shared_ptr<BlockPool> pool, BlockBytes memory)
      : pool_(std::move(pool)), memory_(std::move(memory)) {}
  PooledBlock(const PooledBlock&) = delete;
  PooledBlock& operator=(const PooledBlock&) = delete;
  ~PooledBlock();

  [[nodiscard]] std::byte* memory() const { return memory_.data(); }
  // Ends the use of memory() while readers on other threads may still have its address.
  [[nodiscard]] Remains vacate(DeferredMemory& deferred) { return deferred.vacate(memory_); }

  BlockSummary summary;  // of the packets in it

 private:
  std::shared_ptr<BlockPool> pool_;
  BlockBytes memory_;
};

class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  // `size`: bytes of each block, a multiple of 8.
  BlockPool(std::size_t size, std::size_t maxBlocks) : size_(size), maxBlocks_(maxBlocks) {}
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }
  // Waits until a block is free. Returns null after shut(), an error if memory cannot be allocated.
  Result<std::unique_ptr<PooledBlock>> take();
  // Ends all waiting in take(), present and future.
  void shut();

 private:
  friend class PooledBlock;
  void release(BlockBytes memory);

  const std::size_t size_;
  const std::size_t maxBlocks_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<BlockBytes> free_;
  std::size_t made_ = 0;
  bool shut_ = false;
};

}  // namespace ringtap
