// The layout of a block of packets, and the walk over it.
//
// A block is what TPACKET_V3 hands over (Documentation/networking/packet_mmap.rst): a tpacket_block_desc, then records,
// each a tpacket3_hdr, a sockaddr_ll behind it and the packet's bytes at tp_mac. Every source of packets fills blocks
// of this layout, and lib/chunk.ts reads it in place.
//
// All functions here are pure over memory and trust nothing they read: counts, offsets and lengths may be hostile.
#pragma once

#include <linux/if_packet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ringtap {

// Where the record's parts stand, relative to its tpacket3_hdr.
inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::size_t kRecordAddress = TPACKET_ALIGN(sizeof(tpacket3_hdr));
inline constexpr std::size_t kRecordHeader = kRecordAddress + sizeof(sockaddr_ll);
// The kernel leaves tp_padding to us (af_packet.c zeroes it and never reads it): the walk writes the timestamp there,
// nanoseconds since the epoch as one 64-bit number, which JavaScript reads in one step.
inline constexpr std::size_t kRecordTimestamp = offsetof(tpacket3_hdr, tp_padding);
static_assert(kRecordTimestamp % 8 == 0 && sizeof(tpacket3_hdr{}.tp_padding) == 8);

struct Record {
  tpacket3_hdr* header;
  std::uint32_t offset;  // of the header in its block

  [[nodiscard]] const sockaddr_ll& from() const {
    return *reinterpret_cast<const sockaddr_ll*>(reinterpret_cast<const std::byte*>(header) + kRecordAddress);
  }
  [[nodiscard]] const std::uint8_t* data() const {
    return reinterpret_cast<const std::uint8_t*>(header) + header->tp_mac;
  }
  [[nodiscard]] bool truncated() const { return header->tp_snaplen < header->tp_len; }
  [[nodiscard]] std::uint64_t timestamp() const {
    return std::uint64_t{header->tp_sec} * 1'000'000'000u + header->tp_nsec;
  }
};

// What is left of a block after a walk: the chain of the packets that were kept.
struct BlockSummary {
  std::uint32_t first = 0;    // offset of the first record kept
  std::uint32_t packets = 0;  // records kept
  std::uint32_t length = 0;   // bytes of the block in use, from its start
  std::uint64_t bytes = 0;    // captured bytes of the packets kept
  std::uint64_t firstTimestamp = 0;
  std::uint64_t lastTimestamp = 0;
  std::uint32_t malformed = 0;  // records announced by the header that could not be read
};

// Walks the records from `first`, `count` of them, within the first `size` bytes at `block` (8-byte aligned), asks
// keep(Record&) for each, and takes those it refuses out of the chain by joining their neighbours, so that a later
// reader sees only what was kept. Stops at the first record that does not lie within the block as a whole.
template <typename Keep>
[[nodiscard]] BlockSummary walkRecords(std::byte* block, std::size_t size, std::uint32_t first, std::uint32_t count,
                                       Keep&& keep) {
  BlockSummary summary;
  summary.first = first;
  std::uint64_t offset = first;
  tpacket3_hdr* previous = nullptr;
  for (std::uint32_t seen = 0; seen < count; ++seen) {
    if (offset % kRecordAlignment != 0 || offset + kRecordHeader > size) {
      summary.malformed = count - seen;
      break;
    }
    auto* header = reinterpret_cast<tpacket3_hdr*>(block + offset);
    const bool last = seen + 1 == count;
    const std::uint64_t room = last ? size - offset : header->tp_next_offset;
    const std::uint64_t end = std::uint64_t{header->tp_mac} + header->tp_snaplen;
    if (header->tp_mac < kRecordHeader || end > room || offset + room > size || (!last && room < kRecordHeader)) {
      summary.malformed = count - seen;
      break;
    }
    Record record{header, static_cast<std::uint32_t>(offset)};
    const std::uint64_t timestamp = record.timestamp();
    std::memcpy(header->tp_padding, &timestamp, sizeof timestamp);
    const std::uint32_t next = header->tp_next_offset;
    if (keep(record)) {
      if (summary.packets++ == 0) {
        summary.first = static_cast<std::uint32_t>(offset);
        summary.firstTimestamp = timestamp;
      }
      summary.lastTimestamp = timestamp;
      summary.bytes += header->tp_snaplen;
      summary.length = static_cast<std::uint32_t>(offset + end);
      previous = header;
    } else if (previous != nullptr) {
      previous->tp_next_offset += next;
    }
    offset += next;
  }
  return summary;
}

// The same over a whole block of `size` bytes as the kernel wrote it.
template <typename Keep>
[[nodiscard]] BlockSummary walkBlock(std::byte* block, std::size_t size, Keep&& keep) {
  const auto& header = reinterpret_cast<const tpacket_block_desc*>(block)->hdr.bh1;
  const std::size_t used = header.blk_len < size ? header.blk_len : size;
  return walkRecords(block, used, header.offset_to_first_pkt, header.num_pkts, static_cast<Keep&&>(keep));
}

}  // namespace ringtap
