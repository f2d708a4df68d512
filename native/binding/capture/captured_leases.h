// The blocks of a capture lent to JavaScript. A block that a recorder reads as well is lent as a copy; so is a block of
// a ring if the program takes views on packets: to copy the block is cheaper than to vacate it.
#pragma once

#include <cstdint>
#include <memory>

#include "binding/block/leases.h"
#include "binding/util/js.h"
#include "core/capture/ring/ring.h"
#include "core/ledger/lease.h"

namespace ringtap::binding {

class CapturedLeases : public Leases {
 public:
  using Leases::lend;
  // `copying`: as for Leases.
  CapturedLeases(bool copying, const RingOptions& ring, std::uint32_t ringCount);
  // As Leases::lend(), for a block of a capture.
  [[nodiscard]] js::Value lend(js::Env env, Lease lease, std::uint32_t& number);
  // As Leases::release().
  void release(js::Env env, std::uint32_t number, bool exposed);

 private:
  [[nodiscard]] bool cheaperToCopy(Lease& lease) const;
  [[nodiscard]] BlockBytes copyOf(Lease& lease, BlockSummary& summary);

  const std::size_t blockSize_;
  std::shared_ptr<std::size_t> lentCopies_ = std::make_shared<std::size_t>(0);  // in bytes
  bool exposed_ = false;                                                        // the block released last
};

}  // namespace ringtap::binding
