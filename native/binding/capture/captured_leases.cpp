#include "binding/capture/captured_leases.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "binding/util/errors.h"
#include "core/block/overflow_memory.h"

namespace ringtap::binding {

namespace {

// To vacate a block of a ring takes as long as copying about a quarter of it: all of its pages are unmapped, and the
// ring has to be mapped again for the next pass.
constexpr std::size_t kCheapCopy = 4;

class LeaseOwner final : public Leases::Owner {
 public:
  explicit LeaseOwner(Lease lease) : lease_(std::move(lease)) {}
  [[nodiscard]] std::optional<Remains> vacate() override { return lease_.vacate(); }

 private:
  Lease lease_;
};

// Memory that becomes the spare memory again when its lease ends.
class CopyOwner final : public Leases::Owner {
 public:
  CopyOwner(BlockBytes bytes, std::shared_ptr<CapturedLeases::Copies> copies)
      : bytes_(std::move(bytes)), size_(bytes_.size()), copies_(std::move(copies)) {
    copies_->bytes += size_;
  }
  ~CopyOwner() override {
    copies_->bytes -= size_;
    if (bytes_ && bytes_.size() > copies_->spare.size()) copies_->spare = std::move(bytes_);
  }
  [[nodiscard]] std::optional<Remains> vacate() override { return bytes_.vacate(); }

 private:
  BlockBytes bytes_;
  const std::size_t size_;
  std::shared_ptr<CapturedLeases::Copies> copies_;
};

}  // namespace

// Empty if there is no memory. In pages of its own, also if it is small: those can be vacated, where memory on the heap
// would have to be kept until its ArrayBuffer is collected.
BlockBytes CapturedLeases::copyOf(Lease& lease, BlockSummary& summary) {
  BlockBytes copy;
  lease.read([&](const std::byte* content, const TakenBlock& taken) {
    const std::uint32_t slack = slackOf(content, taken.summary);
    const std::size_t size = std::max(BlockBytes::kLarge, OverflowMemory::roundUp(lengthOf(taken.summary) - slack));
    copy = copies_->spare.size() >= size ? std::exchange(copies_->spare, {}) : BlockBytes::allocate(size);
    if (!copy) return;
    copyCompact(copy.data(), content, taken.summary, slack);
    summary = taken.summary;
    summary.length -= slack;
  });
  return copy;
}

// Not if the program holds so many copies that they would take more than a block: a block of the ring counts as
// overflow memory once it is evicted, copies count nowhere.
bool CapturedLeases::cheaperToCopy(Lease& lease) const {
  if (!exposed_ || lease.block().outsideRing()) return false;
  std::size_t size = 0;
  lease.read([&](const std::byte* content, const TakenBlock& taken) {
    size = lengthOf(taken.summary) - slackOf(content, taken.summary);
  });
  return size <= blockSize_ / kCheapCopy && copies_->bytes + size <= blockSize_;
}

js::Value CapturedLeases::lend(js::Env env, Lease lease, std::uint32_t& number) {
  // JavaScript can write to the memory it gets. A recorder that reads the same block, now or later, must not see such
  // writes nor trust an index that may change while it reads; so JavaScript gets a copy.
  const bool shared = lease.block().leases() > 1;
  if (!copying() && (shared || cheaperToCopy(lease))) {
    BlockSummary summary;
    if (BlockBytes copy = copyOf(lease, summary)) {
      std::byte* const content = copy.data();
      return lend(env, content, summary, std::make_unique<CopyOwner>(std::move(copy), copies_), number);
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
