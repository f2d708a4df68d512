#include "core/ledger/refilter.h"

#include "core/ledger/packet_filter.h"

namespace ringtap {

Refilter::Removed Refilter::apply(std::byte* block, TakenBlock& taken) const {
  Removed removed;
  ShareFinder finder(taken.shares);
  taken.summary = thinIndex(block, taken.summary, [&](Record& record) {
    const Judgement judgement = judge(enforced_, record);
    if (judgement == Judgement::Accepted) return true;
    const std::uint64_t sampledOut = judgement == Judgement::SampledOut ? 1 : 0;
    ++removed.packets;
    removed.sampledOut += sampledOut;
    if (BlockShare* share = finder.find(record)) {
      --share->packets;
      share->bytes -= record.header->tp_snaplen;
      share->truncated -= record.truncated() ? 1 : 0;
      InterfaceCounts& counts = share->interface->counts;
      --counts.stats.queued;
      --counts.stats.taken;
      ++counts.lateRefused;
      counts.stats.sampledOut += sampledOut;
    }
    return false;
  });
  return removed;
}

}  // namespace ringtap
