// The blocks of a capture lent to JavaScript. A block that a recorder reads as well is lent as a copy; so is a block of
// a ring with little in it, if the program takes views on packets: to copy that is cheaper than to vacate the block.
#pragma once

#include <cstdint>
#include <memory>

#include "binding/block/leases.h"
#include "binding/util/js.h"
#include "core/ledger/lease.h"

namespace ringtap::binding {

class CapturedLeases : public Leases {
 public:
  using Leases::lend;
  // `copying`: as for Leases. `blockSize`: bytes of a block of the ring.
  CapturedLeases(bool copying, std::size_t blockSize) : Leases(copying), blockSize_(blockSize) {}
  // As Leases::lend(), for a block of a capture.
  [[nodiscard]] js::Value lend(js::Env env, Lease lease, std::uint32_t& number);
  // As Leases::release().
  void release(js::Env env, std::uint32_t number, bool exposed);

  // The memory of copies.
  struct Copies {
    BlockBytes spare;       // for the next copy
    std::size_t bytes = 0;  // of those that are lent
  };

 private:
  [[nodiscard]] bool cheaperToCopy(Lease& lease) const;
  [[nodiscard]] BlockBytes copyOf(Lease& lease, BlockSummary& summary);

  const std::size_t blockSize_;
  std::shared_ptr<Copies> copies_ = std::make_shared<Copies>();
  bool exposed_ = false;  // the block released last
};

}  // namespace ringtap::binding
