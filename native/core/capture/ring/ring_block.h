// A block of a ring that user space holds.
//
// The kernel stops at a held block when it reaches it. The loop can evict the block: its content is copied to overflow
// memory and the block returned to the kernel, while readers continue to read the same bytes at the same address.
//
// A block that was lent is vacated before it is returned: the ring's memory is replaced by zeros at the address that
// was lent, and the ring continues in another mapping (Ring::viewOf()).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/block/overflow_memory.h"
#include "core/capture/ring/ring.h"
#include "core/ledger/lease.h"
#include "core/util/result.h"

namespace ringtap {

class RingBlock final : public HeldBlock {
 public:
  // Holds the block `index` of the ring; `view` is from viewOf(index).
  RingBlock(std::shared_ptr<Ring> ring, std::shared_ptr<RingView> view, std::uint32_t index, TakenBlock taken,
            std::shared_ptr<OverflowMemory> overflow);
  ~RingBlock() override;

  [[nodiscard]] std::optional<Remains> vacate(DeferredMemory& deferred) override;
  // Whether the block was returned to the kernel.
  [[nodiscard]] bool outsideRing() const override { return returned_; }
  // For the loop: copies the content out and returns the block to the kernel. False, with nothing changed, if the
  // overflow memory is used up. An error if the kernel cannot map the memory. True without effect if the block was
  // returned already.
  Result<bool> evict();

 private:
  // Returns the block to the kernel unless that has happened already.
  void end() override;

  std::shared_ptr<Ring> ring_;
  std::shared_ptr<RingView> view_;  // the mapping that data_ points into, even if the ring has a newer one
  std::uint32_t index_;
  BlockBytes copy_;                    // set if the block was evicted before it was lent
  PageRange lentCopy_;                 // set if the block was evicted after that: the copy at the address that was lent
  std::size_t charged_ = 0;            // bytes of overflow memory taken
  std::atomic<bool> returned_{false};  // written under the lock
  bool ended_ = false;
};

}  // namespace ringtap
