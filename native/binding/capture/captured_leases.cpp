#include "binding/capture/captured_leases.h"

#include <cerrno>
#include <utility>

#include "binding/util/errors.h"
#include "core/block/overflow_memory.h"

namespace ringtap::binding {

namespace {

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
  CopyOwner(BlockBytes bytes, std::shared_ptr<BlockBytes> spare) : bytes_(std::move(bytes)), spare_(std::move(spare)) {}
  ~CopyOwner() override {
    if (bytes_ && bytes_.size() > spare_->size()) *spare_ = std::move(bytes_);
  }
  [[nodiscard]] std::optional<Remains> vacate() override { return bytes_.vacate(); }

 private:
  BlockBytes bytes_;
  std::shared_ptr<BlockBytes> spare_;
};

}  // namespace

// JavaScript can write to the memory it gets. A recorder that reads the same block, now or later, must not see such
// writes nor trust an index that may change while it reads; so JavaScript gets a copy.
js::Value CapturedLeases::lendCopy(js::Env env, Lease lease, std::uint32_t& number) {
  BlockBytes copy;
  BlockSummary summary;
  lease.read([&](const std::byte* content, const TakenBlock& taken) {
    const std::uint32_t slack = slackOf(content, taken.summary);
    const std::size_t size = OverflowMemory::roundUp(lengthOf(taken.summary) - slack);
    copy = spare_->size() >= size ? std::exchange(*spare_, {}) : BlockBytes::allocate(size);
    if (!copy) return;
    copyCompact(copy.data(), content, taken.summary, slack);
    summary = taken.summary;
    summary.length -= slack;
  });
  if (!copy) {
    throwError(env, Error{.message = "no memory for a chunk", .number = ENOMEM, .syscall = "malloc"});
    return {};
  }
  std::byte* const content = copy.data();
  return lend(env, content, summary, std::make_unique<CopyOwner>(std::move(copy), spare_), number);
}

js::Value CapturedLeases::lend(js::Env env, Lease lease, std::uint32_t& number) {
  if (!copying() && lease.block().leases() > 1) return lendCopy(env, std::move(lease), number);
  std::byte* block = lease.lend();  // the content's length is fixed from here on
  const BlockSummary summary = lease.taken().summary;
  return lend(env, block, summary, std::make_unique<LeaseOwner>(std::move(lease)), number);
}

}  // namespace ringtap::binding
