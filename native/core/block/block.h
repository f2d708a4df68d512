// The layout of a block of packets, and the walk over it.
//
// A block has the layout of TPACKET_V3 (Documentation/networking/packet_mmap.rst): a BlockHeader, space for an index,
// then records. Each record is a RecordHeader followed by a RecordAddress, with the packet's bytes at tp_mac. The
// kernel reserves the space for the index (tp_sizeof_priv) and leaves it unused; the walk writes one entry per kept
// packet there. Readers use the index instead of the chain of records: records are some hundred bytes apart, so
// following the chain costs a cache miss per record. Every packet source fills blocks of this layout, and
// lib/packets/chunk.ts reads it in place.
//
// All functions here only read and write the memory passed to them. walkBlock() trusts nothing that a source wrote:
// counts, offsets and lengths may be hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "core/block/record_layout.h"

namespace ringtap {

// Layout of a record; offsets in bytes from its RecordHeader.
inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::size_t kRecordAddress = sizeof(RecordHeader);
inline constexpr std::size_t kRecordHeader = kRecordAddress + sizeof(RecordAddress);
// The kernel zeroes tp_padding and never reads it (af_packet.c). The walk stores the timestamp there, as one 64-bit
// number of nanoseconds since 1970, which JavaScript reads in one step.
inline constexpr std::size_t kRecordTimestamp = offsetof(RecordHeader, tp_padding);
static_assert(kRecordTimestamp % 8 == 0 && sizeof(RecordHeader{}.tp_padding) == 8);

// The index: 32-bit entries. The upper bits are the offset of the record in units of kRecordAlignment, the lower
// kIndexLengthBits its captured length, capped at kIndexMaxLength.
inline constexpr std::size_t kIndexStart = sizeof(BlockHeader);
inline constexpr unsigned kIndexLengthBits = 13;
inline constexpr std::uint32_t kIndexMaxLength = (1u << kIndexLengthBits) - 1;  // or more: see the record
inline constexpr std::size_t kLargestBlock = kRecordAlignment << (32 - kIndexLengthBits);
static_assert(kIndexStart % kRecordAlignment == 0 && kLargestBlock == std::size_t{4} << 20);

constexpr std::uint32_t indexEntry(std::uint32_t offset, std::uint32_t captured) {
  return static_cast<std::uint32_t>(offset / kRecordAlignment) << kIndexLengthBits |
         (captured < kIndexMaxLength ? captured : kIndexMaxLength);
}
constexpr std::uint32_t indexedOffset(std::uint32_t entry) {
  return static_cast<std::uint32_t>((entry >> kIndexLengthBits) * kRecordAlignment);
}

// How a source divides a block: bytes reserved for the index, and padding bytes added to each record. With both, the
// index has an entry for as many records as fit into the block.
struct BlockDivision {
  std::uint32_t index = 0;
  std::uint32_t padding = 0;
};
constexpr BlockDivision divide(std::size_t blockSize) {
  constexpr std::size_t smallest = (kRecordHeader + 1 + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
  // The kernel stores tp_sizeof_priv in 16 bits (tpacket_kbdq_core, net/packet/internal.h).
  constexpr std::size_t maxPrivate = 65'528;
  const std::size_t wanted = (blockSize - kIndexStart) / (smallest + 4) * 4 + 4;
  if (wanted <= maxPrivate) return {static_cast<std::uint32_t>((wanted + 7) / 8 * 8), 0};
  const std::size_t record = (blockSize - kIndexStart - maxPrivate) / (maxPrivate / 4) + 1;
  return {maxPrivate, static_cast<std::uint32_t>((record - smallest + 15) / 16 * 16)};
}

struct Record {
  RecordHeader* header;
  std::uint32_t offset;  // of the header in its block

  [[nodiscard]] const RecordAddress& from() const {
    return *reinterpret_cast<const RecordAddress*>(reinterpret_cast<const std::byte*>(header) + kRecordAddress);
  }
  [[nodiscard]] const std::uint8_t* data() const {
    return reinterpret_cast<const std::uint8_t*>(header) + header->tp_mac;
  }
  // The LINKTYPE_ stored in the record; none if it follows from the hardware type.
  [[nodiscard]] std::optional<std::uint16_t> ownLinkType() const {
    if ((header->tp_status & kStatusLinkType) == 0) return std::nullopt;
    return static_cast<std::uint16_t>(header->tp_rxhash);
  }
  [[nodiscard]] bool truncated() const { return header->tp_snaplen < header->tp_len; }
  [[nodiscard]] std::uint64_t timestamp() const {
    return std::uint64_t{header->tp_sec} * 1'000'000'000u + header->tp_nsec;
  }
};

// The result of a walk: the packets in the index.
struct BlockSummary {
  std::uint32_t packets = 0;  // records kept, entries of the index
  std::uint32_t length = 0;   // bytes of the block in use, from its start
  std::uint64_t bytes = 0;    // captured bytes of the packets kept
  std::uint64_t firstTimestamp = 0;
  std::uint64_t lastTimestamp = 0;
  std::uint32_t malformed = 0;  // records announced by the header that could not be read

  void add(const Record& record, std::uint64_t timestamp) {
    if (packets++ == 0) firstTimestamp = timestamp;
    lastTimestamp = timestamp;
    bytes += record.header->tp_snaplen;
    length = record.offset + record.header->tp_mac + record.header->tp_snaplen;
  }
};

// Requests the header of the record at `record`, for writing.
inline void prefetchRecord(const std::byte* record) {
  __builtin_prefetch(record, 1);
  __builtin_prefetch(record + kRecordTimestamp, 1);  // often in the next cache line
}

// Walks the records of a block of `size` bytes (8-byte aligned) as its source wrote it, calls keep(Record&) for each,
// and writes the index of those for which it returns true. Stops at the first record that is not entirely within the
// block or for which the index is full.
template <typename Keep>
[[nodiscard]] BlockSummary walkBlock(std::byte* block, std::size_t size, Keep&& keep) {
  const auto& description = *reinterpret_cast<const BlockHeader*>(block);
  const std::size_t used = description.blk_len < size ? description.blk_len : size;
  const std::uint32_t first = description.offset_to_first_pkt;
  const std::uint32_t count = description.num_pkts;
  BlockSummary summary;
  std::uint64_t offset = first;
  // Neighbouring records are mostly of one size. Each is in cache lines that another processor wrote last: without the
  // prefetch the walk waits for them one after another.
  constexpr std::uint64_t kAhead = 8;
  for (std::uint32_t seen = 0; seen < count; ++seen) {
    const std::size_t entry = kIndexStart + std::size_t{summary.packets} * sizeof(std::uint32_t);
    if (offset % kRecordAlignment != 0 || offset + kRecordHeader > used || entry + sizeof(std::uint32_t) > first) {
      summary.malformed = count - seen;
      break;
    }
    auto* header = reinterpret_cast<RecordHeader*>(block + offset);
    const std::uint64_t ahead = offset + kAhead * header->tp_next_offset;
    if (ahead + kRecordHeader <= used) prefetchRecord(block + ahead);
    const bool last = seen + 1 == count;
    const std::uint64_t room = last ? used - offset : header->tp_next_offset;
    const std::uint64_t end = std::uint64_t{header->tp_mac} + header->tp_snaplen;
    if (header->tp_mac < kRecordHeader || end > room || offset + room > used || (!last && room < kRecordHeader)) {
      summary.malformed = count - seen;
      break;
    }
    Record record{header, static_cast<std::uint32_t>(offset)};
    const std::uint64_t timestamp = record.timestamp();
    std::memcpy(header->tp_padding, &timestamp, sizeof timestamp);
    offset += room;
    if (!keep(record)) continue;
    const std::uint32_t written = indexEntry(record.offset, header->tp_snaplen);
    std::memcpy(block + entry, &written, sizeof written);
    summary.add(record, timestamp);
  }
  return summary;
}

// Visits the first `packets` entries of the index that walkBlock() wrote.
template <typename Visit>
void walkIndex(std::byte* block, std::uint32_t packets, Visit&& visit) {
  for (std::uint32_t i = 0; i < packets; ++i) {
    std::uint32_t entry;
    std::memcpy(&entry, block + kIndexStart + std::size_t{i} * sizeof entry, sizeof entry);
    const std::uint32_t offset = indexedOffset(entry);
    Record record{reinterpret_cast<RecordHeader*>(block + offset), offset};
    visit(record);
  }
}

// Removes from the index the records for which keep(Record&) returns false.
template <typename Keep>
[[nodiscard]] BlockSummary thinIndex(std::byte* block, const BlockSummary& before, Keep&& keep) {
  BlockSummary summary;
  summary.malformed = before.malformed;
  walkIndex(block, before.packets, [&](Record& record) {
    if (!keep(record)) return;
    const std::uint32_t entry = indexEntry(record.offset, record.header->tp_snaplen);
    std::memcpy(block + kIndexStart + std::size_t{summary.packets} * sizeof entry, &entry, sizeof entry);
    summary.add(record, record.timestamp());
  });
  return summary;
}

// The number of bytes between the end of the index and the first indexed record: copyCompact() omits them.
[[nodiscard]] inline std::uint32_t slackOf(const std::byte* block, const BlockSummary& summary) {
  if (summary.packets == 0) return 0;
  std::uint32_t entry;
  std::memcpy(&entry, block + kIndexStart, sizeof entry);
  const std::size_t end = kIndexStart + (std::size_t{summary.packets} * sizeof entry + 7) / 8 * 8;
  return static_cast<std::uint32_t>(indexedOffset(entry) - end);
}

// Copies a walked block to `to` without that slack: `summary.length` - `slack` bytes, rounded up to a 64-bit word.
inline void copyCompact(std::byte* to, const std::byte* from, const BlockSummary& summary, std::uint32_t slack) {
  if (summary.packets == 0) return;
  const std::size_t end = kIndexStart + (std::size_t{summary.packets} * 4 + 7) / 8 * 8;
  const std::size_t length = (std::size_t{summary.length} + 7) / 8 * 8;
  std::memcpy(to, from, end);
  std::memcpy(to + end, from + end + slack, length - end - slack);
  const auto less = static_cast<std::uint32_t>(slack / kRecordAlignment) << kIndexLengthBits;
  for (std::uint32_t i = 0; i < summary.packets && less > 0; ++i) {
    std::uint32_t entry;
    std::byte* at = to + kIndexStart + std::size_t{i} * sizeof entry;
    std::memcpy(&entry, at, sizeof entry);
    entry -= less;
    std::memcpy(at, &entry, sizeof entry);
  }
}

}  // namespace ringtap
