// The blocks of a capture lent to JavaScript. A block that a recorder reads as well is lent as a copy.
#pragma once

#include <cstdint>
#include <memory>

#include "binding/block/leases.h"
#include "binding/util/js.h"
#include "core/ledger/lease.h"

namespace ringtap::binding {

class CapturedLeases : public Leases {
 public:
  using Leases::Leases;
  using Leases::lend;
  // As Leases::lend(), for a block of a capture.
  [[nodiscard]] js::Value lend(js::Env env, Lease lease, std::uint32_t& number);

 private:
  [[nodiscard]] js::Value lendCopy(js::Env env, Lease lease, std::uint32_t& number);

  std::shared_ptr<BlockBytes> spare_ = std::make_shared<BlockBytes>();  // for the next lendCopy()
};

}  // namespace ringtap::binding
