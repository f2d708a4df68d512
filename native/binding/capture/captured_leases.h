// The blocks of a capture lent to JavaScript. A block that a recorder reads as well is lent as a copy; so is a block of
// a ring, within a limit, if the program takes views on packets: to copy it is cheaper than to vacate it.
#pragma once

#include <cstdint>
#include <memory>

#include "binding/block/leases.h"
#include "binding/util/js.h"
#include "core/capture/intake/intake.h"
#include "core/ledger/lease.h"

namespace ringtap::binding {

class CapturedLeases : public Leases {
 public:
  using Leases::lend;
  // `copying`: as for Leases. `size`: of the kernel's buffers.
  CapturedLeases(bool copying, const IntakeSize& size);
  // As Leases::lend(), for a block of a capture.
  [[nodiscard]] js::Value lend(js::Env env, Lease lease, std::uint32_t& number);
  // As Leases::release().
  void release(js::Env env, std::uint32_t number, bool exposed);

 private:
  [[nodiscard]] bool cheaperToCopy(Lease& lease) const;
  [[nodiscard]] BlockBytes copyOf(Lease& lease, BlockSummary& summary);

  const std::size_t blockSize_;
  bool exposed_ = false;         // the block released last
  std::uint32_t unexposed_ = 0;  // blocks released since one that was, or since spares were dropped
};

}  // namespace ringtap::binding
