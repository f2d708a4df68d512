#include "core/block/block_filler.h"

namespace ringtap {

std::size_t BlockFiller::seal() {
  std::size_t first = firstRecord(size_);
  std::size_t used = empty() ? first : summary_.length;
  std::byte* before = nullptr;
  walkIndex(memory_, summary_.packets, [&](Record& record) {
    std::byte* here = memory_ + record.offset;
    if (before != nullptr) {
      put(before, offsetof(RecordHeader, tp_next_offset), static_cast<std::uint32_t>(here - before));
    }
    before = here;
  });
  // The unused end of the index is not needed from here on.
  const std::size_t entries = kIndexStart + summary_.packets * sizeof(std::uint32_t);
  const std::size_t needed = (entries + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
  if ((first - needed) * 4 > used) {
    std::memmove(memory_ + needed, memory_ + first, used - first);
    used -= first - needed;
    first = needed;
  }
  BlockHeader header{};
  header.num_pkts = summary_.packets;
  header.offset_to_first_pkt = static_cast<std::uint32_t>(first);
  header.blk_len = static_cast<std::uint32_t>(used);
  std::memcpy(memory_, &header, sizeof header);
  return used;
}

}  // namespace ringtap
