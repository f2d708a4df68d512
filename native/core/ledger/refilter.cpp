#include "core/ledger/refilter.h"

#include "core/ledger/packet_filter.h"

namespace ringtap {

std::uint64_t Refilter::apply(std::byte* block, TakenBlock& taken) const {
  std::uint64_t refused = 0;
  ShareFinder finder(taken.shares);
  taken.summary = thinIndex(block, taken.summary, [&](Record& record) {
    if (accepts(enforced_, record)) return true;
    ++refused;
    if (BlockShare* share = finder.find(record)) {
      --share->packets;
      share->bytes -= record.header->tp_snaplen;
      share->truncated -= record.truncated() ? 1 : 0;
      InterfaceCounts& counts = share->interface->counts;
      --counts.stats.queued;
      --counts.stats.taken;
      ++counts.lateRefused;
    }
    return false;
  });
  return refused;
}

}  // namespace ringtap
