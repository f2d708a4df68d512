#include "core/block/block_pool.h"

#include <cerrno>
#include <utility>

namespace ringtap {

PooledBlock::~PooledBlock() { pool_->release(std::move(memory_)); }

Result<std::unique_ptr<PooledBlock>> BlockPool::take() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [this] { return shut_ || !free_.empty() || made_ < maxBlocks_; });
  if (shut_) return std::unique_ptr<PooledBlock>();
  if (free_.empty()) {
    BlockBytes memory = BlockBytes::allocate(size_);
    if (!memory) return Error{Code::System, "no memory for a chunk", ENOMEM, "mmap"};
    ++made_;
    free_.push_back(std::move(memory));
  }
  BlockBytes memory = std::move(free_.back());
  free_.pop_back();
  return std::make_unique<PooledBlock>(shared_from_this(), std::move(memory));
}

void BlockPool::shut() {
  std::lock_guard lock(mutex_);
  shut_ = true;
  freed_.notify_all();
}

// The memory is empty if its pages could not be exchanged for others when the block was vacated.
void BlockPool::release(BlockBytes memory) {
  std::lock_guard lock(mutex_);
  if (memory) free_.push_back(std::move(memory));
  else --made_;
  freed_.notify_one();
}

}  // namespace ringtap
