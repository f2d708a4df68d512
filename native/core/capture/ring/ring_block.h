// A block of a ring that user space holds.
//
// The block stops the ring once the kernel has come round to it. So the loop can evict it: its content is copied to
// overflow memory and the block returned to the kernel, while readers go on reading the same bytes at the same address.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/block/overflow_memory.h"
#include "core/capture/ring/ring.h"
#include "core/ledger/lease.h"
#include "core/util/result.h"

namespace ringtap {

class RingBlock final : public HeldBlock {
 public:
  // Of the block `index` as the ring maps it now.
  RingBlock(std::shared_ptr<Ring> ring, std::uint32_t index, TakenBlock taken,
            std::shared_ptr<OverflowMemory> overflow);
  ~RingBlock() override;

  // Whether the kernel has the block back.
  [[nodiscard]] bool home() const override { return home_; }
  // For the loop. Copies the content out and returns the block to the kernel. False where the overflow memory does not
  // take it: nothing changed. An error where the kernel refuses the memory. Nothing to do, and true, once the block is
  // home.
  Result<bool> evict();

 private:
  // The block goes back, if it has not yet.
  void end() override;

  std::shared_ptr<Ring> ring_;
  std::shared_ptr<RingView> view_;  // the mapping that data_ points into, also after the ring has a newer one
  std::uint32_t index_;
  std::unique_ptr<std::byte[]> copy_;  // evicted before it was lent
  std::size_t charged_ = 0;            // overflow memory taken
  std::atomic<bool> home_{false};      // set under the lock
  bool ended_ = false;
};

}  // namespace ringtap
