#include "core/capture/ring/ring_block.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "core/util/page_range.h"

namespace ringtap {

RingBlock::RingBlock(std::shared_ptr<Ring> ring, std::shared_ptr<RingView> view, std::uint32_t index, TakenBlock taken,
                     std::shared_ptr<OverflowMemory> overflow)
    : HeldBlock(view->block(index), std::move(taken), std::move(overflow)),
      ring_(std::move(ring)),
      view_(std::move(view)),
      index_(index) {}

RingBlock::~RingBlock() { end(); }

Result<bool> RingBlock::evict() {
  std::lock_guard lock(mutex_);
  if (returned_) return true;
  const std::uint32_t slack = lent_ ? 0 : slackOf(data_, taken_.summary);
  const std::size_t size = lent_ ? PageRange::wholePages(length()) : OverflowMemory::roundUp(length() - slack);
  if (!overflow_->take(size + kBlockOverhead)) return false;
  if (!lent_) {
    BlockBytes copy = overflow_->allocate(size);
    if (!copy) {
      overflow_->release(size + kBlockOverhead);
      return Error{Code::System, "no memory to copy a block out of the ring", ENOMEM, "malloc"};
    }
    copyCompact(copy.data(), data_, taken_.summary, slack);
    taken_.summary.length -= slack;
    copy_ = std::move(copy);
    data_ = copy_.data();
  } else {
    // JavaScript has the address, so the pages behind it are replaced by a copy in one step (mremap(2) replaces what
    // was mapped there): a reader finds the same bytes before and after.
    auto copy = PageRange::allocate(size);
    if (!copy) {
      overflow_->release(size + kBlockOverhead);
      return std::move(copy.error());
    }
    if (auto separated = ring_->separateHeaders(); !separated) {
      overflow_->release(size + kBlockOverhead);
      return std::move(separated.error());
    }
    std::memcpy(copy->data(), data_, length());
    PageRange block = view_->takeOut(index_);
    if (::mremap(copy->data(), size, size, MREMAP_MAYMOVE | MREMAP_FIXED, data_) == MAP_FAILED) {
      Error error = Error::fromErrno("mremap", "a block that is being read could not be exchanged for a copy");
      view_->putBack(index_, std::move(block));
      overflow_->release(size + kBlockOverhead);
      return error;
    }
    copy->forget();
    if (size < block.size()) ::munmap(data_ + size, block.size() - size);
    block.forget();
    lentCopy_ = PageRange(data_, size);
  }
  charged_ = size + kBlockOverhead;
  returned_ = true;
  ring_->release(index_);
  return true;
}

std::optional<Remains> RingBlock::vacate(DeferredMemory& deferred) {
  std::lock_guard lock(mutex_);
  if (ended_) return Remains{};
  if (copy_) return deferred.vacate(copy_);
  if (!lentCopy_ && !ring_->separateHeaders()) return std::nullopt;
  PageRange range = lentCopy_ ? std::move(lentCopy_) : view_->takeOut(index_);
  if (!range.clear()) {
    if (returned_) lentCopy_ = std::move(range);
    else view_->putBack(index_, std::move(range));
    return std::nullopt;
  }
  if (!returned_) {
    returned_ = true;
    ring_->release(index_);
  }
  return Remains{std::make_shared<PageRange>(std::move(range)), 0};
}

void RingBlock::end() {
  std::size_t charged = 0;
  BlockBytes copy;
  PageRange lentCopy;
  std::shared_ptr<RingView> view;
  {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    if (!returned_) {
      returned_ = true;
      ring_->release(index_);
    }
    charged = charged_;
    copy = std::move(copy_);
    lentCopy = std::move(lentCopy_);
    view = std::move(view_);
  }
  if (charged > 0) overflow_->release(charged, std::move(copy));
}

}  // namespace ringtap
