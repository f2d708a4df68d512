#include "core/ledger/interface_counts.h"

#include <algorithm>
#include <utility>

namespace ringtap {

namespace {

constexpr std::size_t kMaxBefore = 64;  // bounds the list for a device that is removed and added again continually

}  // namespace

void InterfaceCounts::follow(std::shared_ptr<InterfaceCounts> before) {
  before_ = std::move(before);
  auto* oldest = &before_;
  for (std::size_t depth = 0; depth < kMaxBefore && *oldest; ++depth) oldest = &(*oldest)->before_;
  oldest->reset();
}

std::uint64_t InterfaceCounts::outstanding() const {
  const std::uint64_t accounted = stats.taken + lateRefused;
  const std::uint64_t received = receivedBefore_.value_or(0);
  return received > accounted ? received - accounted : 0;
}

void InterfaceCounts::inherit(BlockNumber block, std::uint64_t records) {
  for (auto* link = &before_; *link && records > 0;) {
    InterfaceCounts& old = **link;
    if (isBefore(old.lastBlocks_, block)) {
      const std::uint64_t taken = std::min(records, old.outstanding());
      if (taken > 0) *old.receivedBefore_ -= taken;  // it has a value if packets are outstanding
      // This device may have been removed as well before the packets were taken.
      if (receivedBefore_) *receivedBefore_ += taken;
      else inherited_ += taken;
      records -= taken;
    }
    if (old.outstanding() > 0) link = &old.before_;
    else *link = std::shared_ptr<InterfaceCounts>(old.before_);
  }
}

void InterfaceCounts::leave(const KernelCounts& counts, const RingPosition& position) {
  present_ = false;
  lastBlocks_ = position;
  receivedBefore_ = counts.accepted;
  if (receivedBefore_) *receivedBefore_ += inherited_;
  stats.duplicates += counts.duplicates;
  stats.beyondCutoff += counts.beyondCutoff;
  stats.sampledOut += counts.sampledOut;
}

void InterfaceCounts::report(const KernelCounts& counts, InterfaceStats& into) const {
  std::optional<std::uint64_t> accepted = receivedBefore_;
  if (present_) {
    into.duplicates += counts.duplicates;
    into.beyondCutoff += counts.beyondCutoff;
    into.sampledOut += counts.sampledOut;
    if (counts.accepted) accepted = *counts.accepted + inherited_;
  }
  if (accepted) into.received = *accepted > lateRefused ? *accepted - lateRefused : 0;
}

}  // namespace ringtap
