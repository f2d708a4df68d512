#include "core/capture/ring/ring_block.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace ringtap {

namespace {

std::size_t wholePages(std::size_t length) {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (length + page - 1) / page * page;
}

}  // namespace

RingBlock::RingBlock(std::shared_ptr<Ring> ring, std::uint32_t index, TakenBlock taken,
                     std::shared_ptr<OverflowMemory> overflow)
    : HeldBlock(ring->block(index), std::move(taken), std::move(overflow)),
      ring_(std::move(ring)),
      view_(ring_->view()),
      index_(index) {}

RingBlock::~RingBlock() { end(); }

Result<bool> RingBlock::evict() {
  std::lock_guard lock(mutex_);
  if (returned_) return true;
  const std::uint32_t slack = lent_ ? 0 : slackOf(data_, taken_.summary);
  const std::size_t size = lent_ ? wholePages(length()) : OverflowMemory::roundUp(length() - slack);
  if (!overflow_->take(size + kBlockOverhead)) return false;
  if (!lent_) {
    std::unique_ptr<std::byte[]> copy = overflow_->allocate(size);
    if (!copy) {
      overflow_->release(size + kBlockOverhead);
      return Error{Code::System, "no memory to copy a block out of the ring", ENOMEM, "malloc"};
    }
    copyCompact(copy.get(), data_, taken_.summary, slack);
    taken_.summary.length -= slack;
    copy_ = std::move(copy);
    data_ = copy_.get();
  } else {
    // JavaScript has the address, so the pages behind it are replaced by a copy in one step (mremap(2) replaces what
    // was mapped there): a reader finds the same bytes before and after. The ring continues in another mapping of its
    // memory.
    if (ring_->view() == view_) {
      if (auto renewed = ring_->renewView(); !renewed) {
        overflow_->release(size + kBlockOverhead);
        return renewed.error();
      }
    }
    void* pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
      Error error = Error::fromErrno("mmap", "no memory to copy a block out of the ring");
      overflow_->release(size + kBlockOverhead);
      return error;
    }
    std::memcpy(pages, data_, length());
    if (::mremap(pages, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, data_) == MAP_FAILED) {
      Error error = Error::fromErrno("mremap", "a block that is being read could not be exchanged for a copy");
      ::munmap(pages, size);
      overflow_->release(size + kBlockOverhead);
      return error;
    }
  }
  charged_ = size + kBlockOverhead;
  returned_ = true;
  ring_->release(index_);
  return true;
}

void RingBlock::end() {
  std::size_t charged = 0;
  std::unique_ptr<std::byte[]> copy;
  std::shared_ptr<RingView> view;
  {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    if (!returned_) {
      returned_ = true;
      ring_->release(index_);
    }
    if (charged_ > 0) {
      charged = charged_;
      if (copy_) copy = std::move(copy_);
      else ::madvise(data_, wholePages(length()), MADV_DONTNEED);  // the view keeps the address range
    }
    view = std::move(view_);
  }
  if (charged > 0) overflow_->release(charged, std::move(copy));
}

}  // namespace ringtap
