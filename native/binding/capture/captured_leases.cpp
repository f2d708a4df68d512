#include "binding/capture/captured_leases.h"

#include <cerrno>
#include <utility>

#include "binding/util/errors.h"

namespace ringtap::binding {

namespace {

// Released copies may take half as much memory as the rings, until the garbage collector has found them.
constexpr std::size_t kDeferredPart = 2;
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
  CopyOwner(BlockBytes bytes, std::shared_ptr<DeferredMemory> deferred, std::shared_ptr<std::size_t> lent)
      : bytes_(std::move(bytes)), size_(bytes_.size()), deferred_(std::move(deferred)), lent_(std::move(lent)) {
    *lent_ += size_;
  }
  ~CopyOwner() override {
    *lent_ -= size_;
    deferred_->release(std::move(bytes_));
  }
  [[nodiscard]] std::optional<Remains> vacate(DeferredMemory& deferred) override { return deferred.vacate(bytes_); }

 private:
  BlockBytes bytes_;
  const std::size_t size_;
  std::shared_ptr<DeferredMemory> deferred_;
  std::shared_ptr<std::size_t> lent_;
};

}  // namespace

CapturedLeases::CapturedLeases(bool copying, const RingOptions& ring, std::uint32_t ringCount)
    : Leases(copying, std::size_t{ring.blockSize} * ring.blockCount * ringCount / kDeferredPart),
      blockSize_(ring.blockSize) {}

// Empty if there is no memory. In pages of its own, also if it is small: those can be vacated, where memory on the heap
// would have to be kept until its ArrayBuffer is collected.
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

// As long as there is room to keep the copy when it is released, or if there is little in the block. Not if the program
// holds so many copies that they would take more than that room, or more than a block: a block of the ring counts as
// overflow memory once it is evicted, copies count nowhere.
bool CapturedLeases::cheaperToCopy(Lease& lease) const {
  if (!exposed_ || lease.block().outsideRing()) return false;
  std::size_t size = 0;
  lease.read([&](const std::byte* content, const TakenBlock& taken) {
    size = lengthOf(taken.summary) - slackOf(content, taken.summary);
  });
  const std::size_t lent = *lentCopies_ + size;
  return deferred_->hasRoom(lent) || (size <= blockSize_ / kCheapCopy && lent <= blockSize_);
}

js::Value CapturedLeases::lend(js::Env env, Lease lease, std::uint32_t& number) {
  // JavaScript can write to the memory it gets. A recorder that reads the same block, now or later, must not see such
  // writes nor trust an index that may change while it reads; so JavaScript gets a copy.
  const bool shared = lease.block().leases() > 1;
  if (!copying() && (shared || cheaperToCopy(lease))) {
    BlockSummary summary;
    if (BlockBytes copy = copyOf(lease, summary)) {
      std::byte* const content = copy.data();
      return lend(env, content, summary, std::make_unique<CopyOwner>(std::move(copy), deferred_, lentCopies_), number);
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
}

}  // namespace ringtap::binding
