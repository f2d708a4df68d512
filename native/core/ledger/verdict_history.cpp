#include "core/ledger/verdict_history.h"

#include <algorithm>
#include <utility>

namespace ringtap {

namespace {

constexpr std::size_t kMaxVerdicts = 64;  // for a device that is renamed continually; waiting blocks need fewer

}  // namespace

VerdictHistory::VerdictHistory(std::uint64_t epoch, Verdict verdict, const std::optional<DeviceLosses>& losses)
    : asked_{{epoch, verdict, {}, losses}} {}

void VerdictHistory::ask(std::uint64_t epoch, const Moment& from, const std::optional<DeviceLosses>& losses) {
  asked_.push_back({epoch, Verdict::Pending, from, losses});
  if (asked_.size() > kMaxVerdicts) asked_.erase(asked_.begin());
  asked_.front().from = {};
}

void VerdictHistory::answer(std::uint64_t epoch, bool selected) {
  for (Asked& one : asked_) {
    if (one.epoch != epoch) continue;
    one.verdict = selected ? Verdict::Selected : Verdict::Unselected;
    if (selected && !std::exchange(everSelected_, true)) lossesAtSelection_ = one.losses;
  }
}

Verdict VerdictHistory::at(std::uint64_t epoch) const {
  Verdict verdict = asked_.front().verdict;
  for (const Asked& one : asked_) {
    if (one.epoch > epoch) break;
    verdict = one.verdict;
  }
  return verdict;
}

PacketVerdict VerdictHistory::on(BlockNumber block, std::uint64_t timestamp) const {
  std::size_t which = asked_.size() - 1;
  PacketVerdict result;
  while (which > 0 && !asked_[which].from.isBehind(block, timestamp)) {
    // The clock may be set between two events: the latest event that is earlier than the packet applies.
    result.until = std::min(result.until, asked_[which].from.time);
    --which;
  }
  const Asked& one = asked_[which];
  result.epoch = one.epoch;
  result.verdict = one.verdict;
  result.since = isBefore(one.from.position, block) ? one.from.time : 0;
  return result;
}

}  // namespace ringtap
