#include "core/ledger/tracked_interface.h"

#include <algorithm>

namespace ringtap {

namespace {

constexpr std::size_t kMaxDecisions = 64;  // of a device that is renamed all the time; blocks wait for fewer
constexpr std::size_t kMaxBefore = 64;     // of a device that goes and comes back all the time

}  // namespace

TrackedInterface::TrackedInterface(InterfaceInfo description, std::uint64_t epoch, Verdict verdict,
                                   const std::optional<DeviceLosses>& losses)
    : info(std::move(description)), asked_{{epoch, verdict, 0, losses}} {}

TrackedInterface::Decision TrackedInterface::decisionOn(std::uint64_t timestamp) const {
  std::size_t which = asked_.size() - 1;
  while (which > 0 && timestamp <= asked_[which].since) --which;
  Decision decision{asked_[which].epoch, asked_[which].verdict, asked_[which].since};
  if (which + 1 < asked_.size()) decision.until = asked_[which + 1].since;
  return decision;
}

Verdict TrackedInterface::at(std::uint64_t epoch) const {
  Verdict verdict = asked_.front().verdict;
  for (const Asked& one : asked_) {
    if (one.epoch > epoch) break;
    verdict = one.verdict;
  }
  return verdict;
}

void TrackedInterface::ask(std::uint64_t epoch, std::uint64_t time, const std::optional<DeviceLosses>& losses) {
  asked_.push_back({epoch, Verdict::Pending, time, losses});
  if (asked_.size() > kMaxDecisions) asked_.erase(asked_.begin());
  asked_.front().since = 0;
}

void TrackedInterface::answer(std::uint64_t epoch, bool selected) {
  for (Asked& one : asked_) {
    if (one.epoch != epoch) continue;
    one.verdict = selected ? Verdict::Selected : Verdict::Unselected;
    if (selected && !std::exchange(everSelected_, true)) lossesBefore_ = one.losses;
  }
}

void TrackedInterface::follow(std::shared_ptr<TrackedInterface> before) {
  before_ = std::move(before);
  auto* oldest = &before_;
  for (std::size_t depth = 0; depth < kMaxBefore && *oldest; ++depth) oldest = &(*oldest)->before_;
  oldest->reset();
}

std::uint64_t TrackedInterface::outstanding() const {
  const std::uint64_t accounted = stats.taken + lateRefused;
  const std::uint64_t received = receivedBefore_.value_or(0);
  return received > accounted ? received - accounted : 0;
}

void TrackedInterface::inherit(std::uint32_t ring, std::uint64_t number, std::uint64_t records) {
  for (auto* link = &before_; *link && records > 0;) {
    TrackedInterface& old = **link;
    if (isBefore(old.lastBlocks_, ring, number)) {
      const std::uint64_t taken = std::min(records, old.outstanding());
      if (taken > 0) *old.receivedBefore_ -= taken;  // it has a value where something is outstanding
      // It may have gone, too, before the packets were taken.
      if (receivedBefore_) *receivedBefore_ += taken;
      else inherited_ += taken;
      records -= taken;
    }
    if (old.outstanding() > 0) link = &old.before_;
    else *link = std::shared_ptr<TrackedInterface>(old.before_);
  }
}

void TrackedInterface::leave(const KernelCounts& counts, const std::optional<DeviceLosses>& losses,
                             const RingPosition& ringPosition) {
  present_ = false;
  lossesAtEnd_ = losses;
  lastBlocks_ = ringPosition;
  refilterUntil = ringPosition;  // once it is forgotten, its index is as good as one that never was
  receivedBefore_ = counts.accepted;
  if (receivedBefore_) *receivedBefore_ += inherited_;
  stats.duplicates += counts.duplicates;
}

InterfaceStats TrackedInterface::report(const KernelCounts& counts, const std::optional<DeviceLosses>& losses) const {
  InterfaceStats one = stats;
  one.index = info.index;
  one.generation = info.generation;
  one.name = info.name;
  one.present = present_;
  one.selected = now() == Verdict::Selected;
  std::optional<std::uint64_t> accepted = receivedBefore_;
  if (present_) {
    one.duplicates += counts.duplicates;
    if (counts.accepted) accepted = *counts.accepted + inherited_;
  }
  if (accepted) one.received = *accepted > lateRefused ? *accepted - lateRefused : 0;
  const std::optional<DeviceLosses>& latest = present_ ? losses : lossesAtEnd_;
  if (lossesBefore_ && latest) one.losses = latest->since(*lossesBefore_);
  return one;
}

}  // namespace ringtap
