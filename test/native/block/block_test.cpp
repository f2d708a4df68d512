// The walk over a block: what a valid block yields, what remains after records are refused, and that no value in a
// block can lead out of it (AddressSanitizer checks this).
#include "core/block/block.h"

#include <algorithm>
#include <vector>

#include "support/blocks.h"
#include "support/check.h"
#include "support/choices.h"

using namespace ringtap;
using support::Block;
using support::MadeRecord;

namespace {

constexpr std::uint32_t kMax32 = 0xffffffff;

BlockSummary walkAll(Block& block) {
  return walkBlock(block.data(), block.size(), [](Record&) { return true; });
}

// Reads `packets` records through the index, as lib/packets/chunk.ts does.
std::vector<std::uint32_t> indexed(Block& block, const BlockSummary& summary) {
  std::vector<std::uint32_t> indexes;
  std::uint32_t before = 0;
  walkIndex(block.data(), summary.packets, [&](Record& record) {
    CHECK(record.offset % 8 == 0 && record.offset > before && record.offset + kRecordHeader <= summary.length);
    before = record.offset;
    if (record.offset + kRecordHeader > block.size()) return;
    CHECK(record.offset + record.header->tp_mac + record.header->tp_snaplen <= summary.length);
    indexes.push_back(static_cast<std::uint32_t>(record.from().sll_ifindex));
  });
  return indexes;
}

BlockSummary thinNothing(Block& block, const BlockSummary& summary) {
  return thinIndex(block.data(), summary, [](Record&) { return true; });
}

std::vector<MadeRecord> numbered(std::uint32_t count) {
  std::vector<MadeRecord> records;
  for (std::uint32_t i = 0; i < count; ++i) {
    MadeRecord record;
    record.index = i + 1;
    record.bytes.assign(i * 3 + 1, static_cast<std::uint8_t>(i));
    record.nanoseconds = i;
    records.push_back(record);
  }
  return records;
}

}  // namespace

TEST(everyRecordOfAValidBlockIsRead) {
  auto records = numbered(5);
  records[2].originalLength = 9000;
  Block block = Block::of(records);
  std::vector<std::uint32_t> indexes;
  int truncated = 0;
  const BlockSummary summary = walkBlock(block.data(), block.size(), [&](Record& record) {
    indexes.push_back(static_cast<std::uint32_t>(record.from().sll_ifindex));
    truncated += record.truncated() ? 1 : 0;
    CHECK(std::all_of(record.data(), record.data() + record.header->tp_snaplen,
                      [&](std::uint8_t each) { return each + 1u == indexes.back(); }));
    return true;
  });
  CHECK(indexes == std::vector<std::uint32_t>{1, 2, 3, 4, 5});
  CHECK(truncated == 1);
  CHECK(summary.packets == 5 && summary.malformed == 0);
  CHECK(summary.bytes == 1 + 4 + 7 + 10 + 13);
  CHECK(summary.length == block.offset(4) + kRecordHeader + 13);
  CHECK(summary.firstTimestamp == 1'700'000'000'000'000'000u && summary.lastTimestamp == summary.firstTimestamp + 4);
}

TEST(timestampsAreWrittenWhereJavaScriptReadsThem) {
  auto records = numbered(3);
  records[1].seconds = kMax32;
  records[1].nanoseconds = 999'999'999;
  Block block = Block::of(records);
  // Timestamps are written for refused records too, which is harmless.
  (void)walkBlock(block.data(), block.size(), [](Record& record) { return record.from().sll_ifindex != 1; });
  for (std::size_t i = 0; i < 3; ++i) {
    std::uint64_t written;
    std::memcpy(&written, block.data() + block.offset(i) + kRecordTimestamp, sizeof written);
    CHECK(written == std::uint64_t{records[i].seconds} * 1'000'000'000 + records[i].nanoseconds);
  }
}

TEST(theIndexHasTheOffsetAndLengthOfEachPacket) {
  auto records = numbered(3);
  records[0].bytes.assign(kIndexMaxLength - 1, 1);
  records[1].bytes.assign(kIndexMaxLength, 2);
  records[2].bytes.assign(100'000, 3);
  Block block = Block::of(records);
  const BlockSummary summary = walkAll(block);
  CHECK(summary.packets == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    std::uint32_t entry;
    std::memcpy(&entry, block.data() + kIndexStart + 4 * i, sizeof entry);
    CHECK(indexedOffset(entry) == block.offset(i));
    CHECK((entry & kIndexMaxLength) == (i == 0 ? kIndexMaxLength - 1 : kIndexMaxLength));
  }
  CHECK(indexedOffset(indexEntry(kLargestBlock - 8, 1)) == kLargestBlock - 8);
}

TEST(aBlockHasRoomForTheIndexOfItsPackets) {
  for (std::size_t size = 256 << 10; size <= kLargestBlock; size *= 2) {
    const BlockDivision division = divide(size);
    CHECK(division.index % 8 == 0 && division.index <= 65'528 && division.padding % 16 == 0);
    // The smallest possible record: a header, the padding and one byte, aligned.
    const std::size_t smallest = (kRecordHeader + division.padding + 1 + 7) / 8 * 8;
    CHECK((size - kIndexStart - division.index) / smallest <= division.index / 4);
    CHECK(division.index < size / 16);
  }
}

TEST(aCompactCopyHasTheSamePackets) {
  for (const std::size_t room : {6u, 7u, 1000u}) {   // entries in the index
    for (const std::uint32_t kept : {1u, 5u, 6u}) {  // the last ones; the records before them are slack too
      auto records = numbered(6);
      Block source = Block::of(records);
      const std::size_t gap = (room - 6) / 2 * 8;
      std::vector<std::uint64_t> memory((source.size() + gap) / 8 + 1);
      auto* block = reinterpret_cast<std::byte*>(memory.data());
      const std::uint32_t first = Block::firstOf(6);
      std::memcpy(block, source.data(), first);
      std::memcpy(block + first + gap, source.data() + first, source.size() - first);
      auto& head = *reinterpret_cast<BlockHeader*>(block);
      head.offset_to_first_pkt += static_cast<std::uint32_t>(gap);
      head.blk_len += static_cast<std::uint32_t>(gap);
      BlockSummary summary = walkBlock(block, source.size() + gap, [&](const Record& record) {
        return static_cast<std::uint32_t>(record.from().sll_ifindex) > 6 - kept;
      });
      CHECK(summary.packets == kept && summary.malformed == 0);
      const std::uint32_t slack = slackOf(block, summary);
      CHECK(slack >= gap);
      const std::size_t length = (std::size_t{summary.length} + 7) / 8 * 8 - slack;
      const std::unique_ptr<std::uint64_t[]> copy(new std::uint64_t[length / 8]);  // exact size
      auto* to = reinterpret_cast<std::byte*>(copy.get());
      copyCompact(to, block, summary, slack);
      std::uint32_t index = 6 - kept;
      walkIndex(to, kept, [&](const Record& record) {
        CHECK(static_cast<std::uint32_t>(record.from().sll_ifindex) == ++index);
        CHECK(record.offset + record.header->tp_mac + record.header->tp_snaplen <= summary.length - slack);
        CHECK(std::all_of(record.data(), record.data() + record.header->tp_snaplen,
                          [&](std::uint8_t each) { return each + 1u == index; }));
      });
      CHECK(index == 6);
    }
  }
}

TEST(aRecordWithoutRoomInTheIndexIsMalformed) {
  Block block = Block::of(numbered(4));
  // As if the index had two entries: their place holds no record.
  block.head().offset_to_first_pkt = Block::firstOf(2);
  std::memmove(block.data() + Block::firstOf(2), block.data() + Block::firstOf(4), block.size() - Block::firstOf(4));
  const BlockSummary summary = walkAll(block);
  CHECK(summary.packets == 2 && summary.malformed == 2);
  CHECK(indexed(block, summary) == std::vector<std::uint32_t>({1, 2}));
}

TEST(anEmptyBlockHasNoPackets) {
  Block block(4096);
  block.fill({});
  const BlockSummary summary = walkAll(block);
  CHECK(summary.packets == 0 && summary.malformed == 0 && summary.length == 0 && summary.bytes == 0);
}

TEST(refusedPacketsLeaveTheOthersInTheIndex) {
  // Every subset of seven records: the first, the last, neighbours, all, none.
  for (unsigned mask = 0; mask < 128; ++mask) {
    Block block = Block::of(numbered(7));
    const auto kept = [&](const Record& record) {
      return (mask >> (static_cast<unsigned>(record.from().sll_ifindex) - 1) & 1) != 0;
    };
    std::vector<std::uint32_t> expected;
    for (std::uint32_t i = 0; i < 7; ++i) {
      if ((mask >> i & 1) != 0) expected.push_back(i + 1);
    }
    const BlockSummary summary = walkBlock(block.data(), block.size(), kept);
    CHECK(summary.packets == expected.size() && summary.malformed == 0);
    CHECK(indexed(block, summary) == expected);

    // A later walk sees only the remaining records and can refuse more.
    const auto every = thinNothing(block, summary);
    CHECK(every.packets == expected.size() && every.malformed == 0 && every.bytes == summary.bytes);
    CHECK(every.length == summary.length && every.firstTimestamp == summary.firstTimestamp);
    std::erase_if(expected, [](std::uint32_t each) { return each % 2 == 0; });
    const auto odd =
        thinIndex(block.data(), summary, [](Record& record) { return record.from().sll_ifindex % 2 != 0; });
    CHECK(odd.packets == expected.size() && odd.malformed == 0);
    CHECK(indexed(block, odd) == expected);
  }
}

TEST(aCountBeyondTheRecordsIsMalformed) {
  for (const std::uint32_t count : {4u, 5u, 1000u, kMax32}) {
    Block block = Block::of(numbered(3));
    block.head().num_pkts = count;
    const BlockSummary summary = walkAll(block);
    // The third has no next offset, so that it looks like a record followed by itself.
    CHECK(summary.packets == 2 && summary.malformed == count - 2);
    CHECK(indexed(block, summary).size() == 2);
  }
}

TEST(anImpossibleFirstOffsetIsMalformed) {
  for (const std::uint32_t first : {0u, 1u, 4u, 48u, Block::firstOf(2) + 4, kMax32, kMax32 - 7, 0x80000000u}) {
    Block block = Block::of(numbered(2));
    block.head().offset_to_first_pkt = first;
    const BlockSummary summary = walkAll(block);
    CHECK(summary.packets == 0 && summary.malformed == 2 && summary.length == 0);
  }
  // Less than a header remains.
  Block block = Block::of(numbered(2));
  block.head().offset_to_first_pkt = static_cast<std::uint32_t>(block.size() - 64);
  CHECK(walkAll(block).malformed == 2);
  block.head().offset_to_first_pkt = static_cast<std::uint32_t>(block.size());
  CHECK(walkAll(block).malformed == 2);
}

TEST(anImpossibleNextOffsetIsMalformed) {
  // The record itself, inside its own header, unaligned, backwards (wrapped), beyond the block.
  for (const std::uint32_t next :
       {0u, 8u, 64u, static_cast<std::uint32_t>(kRecordHeader) + 1, 0x80000000u, kMax32 - 7, kMax32, 1u << 20}) {
    Block block = Block::of(numbered(3));
    block.record(1).tp_next_offset = next;
    const BlockSummary summary = walkAll(block);
    CHECK(summary.packets <= 2 && summary.packets >= 1);
    CHECK(summary.packets + summary.malformed == 3);
    (void)indexed(block, summary);
  }
}

TEST(theNextOffsetOfTheLastRecordIsIgnored) {
  for (const std::uint32_t next : {0u, 3u, kMax32, 1u << 20}) {
    Block block = Block::of(numbered(3));
    block.record(2).tp_next_offset = next;
    CHECK(walkAll(block).packets == 3);
    // Refusing it must not corrupt its neighbour's offset either: a third walk may follow.
    const auto summary =
        walkBlock(block.data(), block.size(), [](Record& record) { return record.from().sll_ifindex != 3; });
    CHECK(indexed(block, summary) == std::vector<std::uint32_t>({1, 2}));
    CHECK(thinNothing(block, summary).packets == 2);
  }
}

TEST(impossibleLengthsOfDataAreMalformed) {
  const auto expect = [](auto spoil, std::size_t record, std::uint32_t packets) {
    Block block = Block::of(numbered(3));
    spoil(block.record(record));
    const BlockSummary summary = walkAll(block);
    CHECK(summary.packets == packets && summary.packets + summary.malformed == 3);
  };
  for (const std::size_t record : {0u, 1u, 2u}) {
    const auto before = static_cast<std::uint32_t>(record);
    expect([](RecordHeader& header) { header.tp_mac = 0; }, record, before);
    expect([](RecordHeader& header) { header.tp_mac = kRecordHeader - 1; }, record, before);
    expect([](RecordHeader& header) { header.tp_mac = 0xffff; }, record, before);
    expect([](RecordHeader& header) { header.tp_snaplen = kMax32; }, record, before);
    expect([](RecordHeader& header) { header.tp_snaplen = kMax32 - kRecordHeader + 1; }, record, before);
    expect([](RecordHeader& header) { header.tp_snaplen += 8; }, record, before);
    expect([](RecordHeader& header) { header.tp_snaplen = 0; }, record, 3);
  }
}

TEST(theLengthOfABlockNeverExceedsItsSize) {
  Block block = Block::of(numbered(3));
  block.head().blk_len = kMax32;
  block.record(2).tp_snaplen += 8;  // up to the byte after the block
  CHECK(walkAll(block).packets == 2);
  block.record(2).tp_snaplen -= 8;
  CHECK(walkAll(block).packets == 3);
  // A smaller block length is honoured, too.
  block.head().blk_len = block.offset(2);
  CHECK(walkAll(block).packets == 2 && walkAll(block).malformed == 1);
  for (const std::uint32_t length : {0u, 1u, 8u, Block::firstOf(3)}) {
    block.head().blk_len = length;
    CHECK(walkAll(block).malformed == 3);
  }
}

TEST(randomBytesAreReadWithinTheBlock) {
  support::Choices choices(7);
  for (int round = 0; round < 20000; ++round) {
    Block block = Block::of(numbered(1 + choices.below(6)));
    for (std::uint32_t i = 1 + choices.below(6); i > 0; --i) {
      const std::uint32_t value = choices.oneIn(2) ? choices.any() : choices.below(512);
      std::memcpy(block.data() + choices.below(static_cast<std::uint32_t>(block.size() / 4)) * 4, &value, 4);
    }
    const std::uint32_t announced = block.head().num_pkts;
    const std::uint32_t keep = choices.any();
    std::uint32_t seen = 0;
    std::uint32_t kept = 0;
    const BlockSummary summary = walkBlock(block.data(), block.size(), [&](Record&) {
      const bool yes = (keep >> (seen++ % 32) & 1) != 0;
      kept += yes ? 1 : 0;
      return yes;
    });
    CHECK(seen + summary.malformed == announced && kept == summary.packets);
    CHECK(indexed(block, summary).size() == summary.packets);
    const BlockSummary again = thinNothing(block, summary);
    CHECK(again.packets == summary.packets && again.bytes == summary.bytes && again.length == summary.length);
  }
}
