#include "core/block/block_pool.h"

#include <sys/mman.h>

namespace ringtap {

PooledBlock::~PooledBlock() {
  if (memory_ != nullptr) pool_->release(memory_);
}

BlockPool::~BlockPool() {
  for (std::byte* memory : free_) ::munmap(memory, size_);
}

Result<std::unique_ptr<PooledBlock>> BlockPool::take() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [this] { return shut_ || !free_.empty() || made_ < most_; });
  if (shut_) return std::unique_ptr<PooledBlock>();
  if (free_.empty()) {
    void* memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return Error::fromErrno("mmap", "no memory for a chunk");
    ++made_;
    free_.push_back(static_cast<std::byte*>(memory));
  }
  std::byte* memory = free_.back();
  free_.pop_back();
  return std::make_unique<PooledBlock>(shared_from_this(), memory);
}

void BlockPool::shut() {
  std::lock_guard lock(mutex_);
  shut_ = true;
  freed_.notify_all();
}

void BlockPool::release(std::byte* memory) {
  std::lock_guard lock(mutex_);
  free_.push_back(memory);
  freed_.notify_one();
}

}  // namespace ringtap
