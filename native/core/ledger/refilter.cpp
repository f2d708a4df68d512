#include "core/ledger/refilter.h"

#include "core/ledger/packet_filter.h"

namespace ringtap {

void Refilter::apply(std::byte* block, TakenBlock& taken, Ledger& ledger) const {
  ShareFinder finder(taken.shares);
  taken.summary = thinIndex(block, taken.summary, [&](Record& record) {
    if (until_.isBehind(taken.number, record.timestamp())) return true;
    const Judgement judgement = judge(enforced_, record);
    if (judgement == Judgement::Accepted) return true;
    BlockShare* const share = finder.find(record);
    if (share != nullptr) {
      --share->packets;
      share->bytes -= record.header->tp_snaplen;
      share->truncated -= record.truncated() ? 1 : 0;
    }
    ledger.refuseQueued(share != nullptr ? &share->interface->counts : nullptr, judgement == Judgement::SampledOut);
    return false;
  });
}

}  // namespace ringtap
