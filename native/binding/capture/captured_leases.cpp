#include "binding/capture/captured_leases.h"

#include <cerrno>
#include <utility>

#include "binding/util/errors.h"

namespace ringtap::binding {

namespace {

// Copies may take half as much memory as the kernel's buffers.
constexpr std::size_t kDeferredPart = 2;
// Chunks in turn without a view, after which the memory of earlier copies is freed.
constexpr std::uint32_t kQuietChunks = 64;
// To vacate a block of a ring takes at least as long as copying a quarter of it: all of its pages are unmapped, and the
// ring has to be mapped again for the next pass. So a block up to that is copied even if the copy's pages have to be
// moved when it is released.
constexpr std::size_t kCheapCopy = 4;

class LeaseOwner final : public Leases::Owner {
 public:
  explicit LeaseOwner(Lease lease) : lease_(std::move(lease)) {}
  [[nodiscard]] std::optional<Remains> vacate(DeferredMemory& deferred) override { return lease_.vacate(deferred); }

 private:
  Lease lease_;
};

class CopyOwner final : public Leases::Owner {
 public:
  CopyOwner(BlockBytes bytes, std::shared_ptr<DeferredMemory> deferred)
      : bytes_(std::move(bytes)), lent_(bytes_.size()), deferred_(std::move(deferred)) {
    deferred_->beginLease(lent_);
  }
  ~CopyOwner() override {
    endLease();
    deferred_->release(std::move(bytes_));
  }
  [[nodiscard]] std::optional<Remains> vacate(DeferredMemory& deferred) override {
    endLease();
    return deferred.vacate(bytes_);
  }

 private:
  void endLease() { deferred_->endLease(std::exchange(lent_, 0)); }

  BlockBytes bytes_;
  std::size_t lent_;
  std::shared_ptr<DeferredMemory> deferred_;
};

}  // namespace

CapturedLeases::CapturedLeases(bool copying, const IntakeSize& size)
    : Leases(copying, size.memory / kDeferredPart), blockSize_(size.blockSize) {}

// Empty if there is no memory. In pages of its own, also if it is small: those can be moved beyond the limit, where
// memory on the heap would have to be kept until its ArrayBuffer is collected.
BlockBytes CapturedLeases::copyOf(Lease& lease, BlockSummary& summary) {
  BlockBytes copy;
  lease.read([&](const std::byte* content, const TakenBlock& taken) {
    const std::uint32_t slack = slackOf(content, taken.summary);
    copy = deferred_->allocate(lengthOf(taken.summary) - slack);
    if (!copy) return;
    copyCompact(copy.data(), content, taken.summary, slack);
    summary = taken.summary;
    summary.length -= slack;
  });
  return copy;
}

// As long as there is room to keep the copy when it is released; without room, if there is little in the block, and the
// copies that the program holds would not take more than a block with it. A block of the ring counts as overflow memory
// once it is evicted, copies do not.
bool CapturedLeases::cheaperToCopy(Lease& lease) const {
  if (!exposed_ || lease.block().outsideRing()) return false;
  std::size_t size = 0;
  lease.read([&](const std::byte* content, const TakenBlock& taken) {
    size = lengthOf(taken.summary) - slackOf(content, taken.summary);
  });
  const std::size_t taken = DeferredMemory::roundUp(size);
  return deferred_->hasRoom(taken) || (size <= blockSize_ / kCheapCopy && deferred_->lent() + taken <= blockSize_);
}

js::Value CapturedLeases::lend(js::Env env, Lease lease, std::uint32_t& number) {
  // JavaScript can write to the memory it gets. A recorder that reads the same block, now or later, must not see such
  // writes nor trust an index that may change while it reads; so JavaScript gets a copy.
  const bool shared = lease.block().leases() > 1;
  if (!copying() && (shared || cheaperToCopy(lease))) {
    BlockSummary summary;
    if (BlockBytes copy = copyOf(lease, summary)) {
      std::byte* const content = copy.data();
      return lend(env, content, summary, std::make_unique<CopyOwner>(std::move(copy), deferred_), number);
    }
    if (shared) {
      throwError(env, Error{.message = "no memory for a chunk", .number = ENOMEM, .syscall = "mmap"});
      return {};
    }
  }
  std::byte* block = lease.lend();  // the content's length is fixed from here on
  const BlockSummary summary = lease.taken().summary;
  return lend(env, block, summary, std::make_unique<LeaseOwner>(std::move(lease)), number);
}

void CapturedLeases::release(js::Env env, std::uint32_t number, bool exposed) {
  exposed_ = exposed;
  Leases::release(env, number, exposed);
  unexposed_ = exposed ? 0 : unexposed_ + 1;
  if (unexposed_ < kQuietChunks) return;
  unexposed_ = 0;
  deferred_->dropSpares();
}

}  // namespace ringtap::binding
