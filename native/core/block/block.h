// The layout of a block of packets, and the walk over it.
//
// A block is what TPACKET_V3 hands over (Documentation/networking/packet_mmap.rst): a tpacket_block_desc, room for an
// index, then records, each a tpacket3_hdr, a sockaddr_ll behind it and the packet's bytes at tp_mac. The kernel leaves
// the room for us (tp_sizeof_priv); the walk writes an entry there for each packet that is kept. Readers go by the
// index: the records lie some hundred bytes apart, and to follow the chain from one to the next is to wait for memory
// at each. Every source of packets fills blocks of this layout, and lib/packets/chunk.ts reads it in place.
//
// All functions here are pure over memory and trust nothing of what a source wrote: counts, offsets and lengths may be
// hostile.
#pragma once

#include <linux/if_packet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace ringtap {

// Where the record's parts stand, relative to its tpacket3_hdr.
inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::size_t kRecordAddress = TPACKET_ALIGN(sizeof(tpacket3_hdr));
inline constexpr std::size_t kRecordHeader = kRecordAddress + sizeof(sockaddr_ll);
// The kernel leaves tp_padding to us (af_packet.c zeroes it and never reads it): the walk writes the timestamp there,
// nanoseconds since the epoch as one 64-bit number, which JavaScript reads in one step.
inline constexpr std::size_t kRecordTimestamp = offsetof(tpacket3_hdr, tp_padding);
static_assert(kRecordTimestamp % 8 == 0 && sizeof(tpacket3_hdr{}.tp_padding) == 8);

// Bits of tp_status that the kernel does not use. The link type does not follow from the hardware type (sll_hatype),
// but stands in tp_rxhash, which the kernel fills on request only (TP_FT_REQ_FILL_RXHASH):
inline constexpr std::uint32_t kStatusLinkType = 1u << 24;
// Comments stand behind the packet's bytes, at the next multiple of four: how many, and for each its length and its
// bytes, padded to four.
inline constexpr std::uint32_t kStatusComments = 1u << 25;

// Beside the PACKET_* of linux/if_packet.h in sll_pkttype, for sources that do not tell: to whom an incoming packet was
// addressed, or even whether it was incoming.
inline constexpr std::uint8_t kPacketIncoming = 0xfe;
inline constexpr std::uint8_t kPacketUnknown = 0xff;

// The index: 32-bit entries, where the record stands (in units of its alignment) above the captured length, of which
// there is as much as fits.
inline constexpr std::size_t kIndexStart = sizeof(tpacket_block_desc);
inline constexpr unsigned kIndexLengthBits = 13;
inline constexpr std::uint32_t kIndexMaxLength = (1u << kIndexLengthBits) - 1;  // "at least this: see the record"
inline constexpr std::size_t kLargestBlock = kRecordAlignment << (32 - kIndexLengthBits);
static_assert(kIndexStart % kRecordAlignment == 0 && kLargestBlock == std::size_t{4} << 20);

constexpr std::uint32_t indexEntry(std::uint32_t offset, std::uint32_t captured) {
  return static_cast<std::uint32_t>(offset / kRecordAlignment) << kIndexLengthBits |
         (captured < kIndexMaxLength ? captured : kIndexMaxLength);
}
constexpr std::uint32_t indexedOffset(std::uint32_t entry) {
  return static_cast<std::uint32_t>((entry >> kIndexLengthBits) * kRecordAlignment);
}

// How a source divides a block: bytes for the index, and bytes that each record has to be longer than it need be. With
// both, the index has room for whatever the block has.
struct BlockDivision {
  std::uint32_t index = 0;
  std::uint32_t padding = 0;
};
constexpr BlockDivision divide(std::size_t blockSize) {
  constexpr std::size_t smallest = (kRecordHeader + 1 + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
  // The kernel keeps tp_sizeof_priv in 16 bits (tpacket_kbdq_core, net/packet/internal.h).
  constexpr std::size_t most = 65'528;
  const std::size_t wanted = (blockSize - kIndexStart) / (smallest + 4) * 4 + 4;
  if (wanted <= most) return {static_cast<std::uint32_t>((wanted + 7) / 8 * 8), 0};
  const std::size_t record = (blockSize - kIndexStart - most) / (most / 4) + 1;
  return {most, static_cast<std::uint32_t>((record - smallest + 15) / 16 * 16)};
}

struct Record {
  tpacket3_hdr* header;
  std::uint32_t offset;  // of the header in its block

  [[nodiscard]] const sockaddr_ll& from() const {
    return *reinterpret_cast<const sockaddr_ll*>(reinterpret_cast<const std::byte*>(header) + kRecordAddress);
  }
  [[nodiscard]] const std::uint8_t* data() const {
    return reinterpret_cast<const std::uint8_t*>(header) + header->tp_mac;
  }
  // The LINKTYPE_, where the record has one of its own.
  [[nodiscard]] std::optional<std::uint16_t> ownLinkType() const {
    if ((header->tp_status & kStatusLinkType) == 0) return std::nullopt;
    return static_cast<std::uint16_t>(header->hv1.tp_rxhash);
  }
  [[nodiscard]] bool truncated() const { return header->tp_snaplen < header->tp_len; }
  [[nodiscard]] std::uint64_t timestamp() const {
    return std::uint64_t{header->tp_sec} * 1'000'000'000u + header->tp_nsec;
  }
};

// What is left of a block after a walk: the packets in the index.
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

// Walks the records of a block of `size` bytes (8-byte aligned) as its source wrote it, asks keep(Record&) for each,
// and writes the index of those it keeps. Stops at the first record that does not lie within the block as a whole, or
// has no room in the index.
template <typename Keep>
[[nodiscard]] BlockSummary walkBlock(std::byte* block, std::size_t size, Keep&& keep) {
  const auto& description = reinterpret_cast<const tpacket_block_desc*>(block)->hdr.bh1;
  const std::size_t used = description.blk_len < size ? description.blk_len : size;
  const std::uint32_t first = description.offset_to_first_pkt;
  const std::uint32_t count = description.num_pkts;
  BlockSummary summary;
  std::uint64_t offset = first;
  for (std::uint32_t seen = 0; seen < count; ++seen) {
    const std::size_t entry = kIndexStart + std::size_t{summary.packets} * sizeof(std::uint32_t);
    if (offset % kRecordAlignment != 0 || offset + kRecordHeader > used || entry + sizeof(std::uint32_t) > first) {
      summary.malformed = count - seen;
      break;
    }
    auto* header = reinterpret_cast<tpacket3_hdr*>(block + offset);
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

// Walks the first `packets` of the index that walkBlock() wrote.
template <typename Visit>
void walkIndex(std::byte* block, std::uint32_t packets, Visit&& visit) {
  for (std::uint32_t i = 0; i < packets; ++i) {
    std::uint32_t entry;
    std::memcpy(&entry, block + kIndexStart + std::size_t{i} * sizeof entry, sizeof entry);
    const std::uint32_t offset = indexedOffset(entry);
    Record record{reinterpret_cast<tpacket3_hdr*>(block + offset), offset};
    visit(record);
  }
}

// Takes those that keep(Record&) refuses out of the index.
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

// By how much the packets of a walked block can move up: the index of few packets leaves most of its room empty.
[[nodiscard]] inline std::uint32_t slackOf(const std::byte* block, const BlockSummary& summary) {
  if (summary.packets == 0) return 0;
  std::uint32_t entry;
  std::memcpy(&entry, block + kIndexStart, sizeof entry);
  const std::size_t end = kIndexStart + (std::size_t{summary.packets} * sizeof entry + 7) / 8 * 8;
  return static_cast<std::uint32_t>(indexedOffset(entry) - end);
}

// Copies a walked block to `to` without that slack: `summary.length` less `slack` bytes, up to a whole 64-bit word.
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
