// Blocks of memory for packets that no kernel ring holds: a fixed number of one size, filled, lent and returned.
//
// Thread-safe. Memory is taken when a block is first needed and given back to the system with the last block.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "core/block/block.h"
#include "core/util/result.h"

namespace ringtap {

class BlockPool;

// A block of the pool; it goes back with this object, and holds the pool until then.
class PooledBlock {
 public:
  PooledBlock(std::shared_ptr<BlockPool> pool, std::byte* memory) : pool_(std::move(pool)), memory_(memory) {}
  PooledBlock(PooledBlock&& other) noexcept
      : summary(other.summary), pool_(std::move(other.pool_)), memory_(std::exchange(other.memory_, nullptr)) {}
  PooledBlock(const PooledBlock&) = delete;
  PooledBlock& operator=(const PooledBlock&) = delete;
  ~PooledBlock();

  [[nodiscard]] std::byte* memory() const { return memory_; }

  BlockSummary summary;  // of what was filled in

 private:
  std::shared_ptr<BlockPool> pool_;
  std::byte* memory_;
};

class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  // `size`: of each, a multiple of 8.
  BlockPool(std::size_t size, std::size_t most) : size_(size), most_(most) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }
  // Waits until one is free; none once shut() was called. An error where the system has no memory.
  Result<std::unique_ptr<PooledBlock>> take();
  // Ends waiting, now and later.
  void shut();

 private:
  friend class PooledBlock;
  void release(std::byte* memory);

  const std::size_t size_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::byte*> free_;
  std::size_t made_ = 0;
  bool shut_ = false;
};

}  // namespace ringtap
