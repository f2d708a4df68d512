// Walks a block of arbitrary content twice and classifies its packets with the selection table. The first input byte
// selects the records to refuse; the rest is the block.
#include <linux/filter.h>

#include <cstring>
#include <memory>

#include "core/block/block.h"
#include "core/ledger/selection_table.h"
#include "core/savefile/savefile_writer.h"
#include "fuzz.h"
#include "support/no_kernel.h"

using namespace ringtap;

namespace {

// Reads packets through the index, as JavaScript does.
void read(std::byte* block, std::size_t size, const BlockSummary& summary) {
  std::uint64_t bytes = 0;
  EXPECT(summary.length <= size);
  walkIndex(block, summary.packets, [&](Record& record) {
    EXPECT(record.offset % 8 == 0 && record.offset + kRecordHeader <= summary.length);
    EXPECT(record.offset + record.header->tp_mac + record.header->tp_snaplen <= summary.length);
    bytes += record.header->tp_snaplen;
    volatile std::uint8_t sink = 0;
    for (std::uint32_t at = 0; at < record.header->tp_snaplen; ++at) sink = sink + record.data()[at];
  });
  EXPECT(bytes == summary.bytes);
}

// Writes the packets to a file as a recorder does, in both formats, with a comment on every third packet.
void write(std::byte* block, const BlockSummary& summary) {
  for (const SavefileFormat format : {SavefileFormat::Pcapng, SavefileFormat::Pcap}) {
    ByteSink sink;
    SavefileForm options;
    options.format = format;
    SavefileWriter writer(sink, options);
    writer.begin();
    const std::uint32_t id = writer.add({});
    std::uint32_t number = 0;
    const std::string comment = "c";
    walkIndex(block, summary.packets, [&](const Record& record) {
      const std::size_t before = sink.size();
      const bool commented = number++ % 3 == 0 && format == SavefileFormat::Pcapng;
      EXPECT(writer.write(id, record, {&comment, commented ? 1u : 0u}));
      EXPECT(commented || sink.size() - before == writer.sizeOf(id, record));
    });
    writer.end();
    const WholePart part = format == SavefileFormat::Pcapng ? wholeBlocks(sink.bytes(), sink.size())
                                                            : wholePcapRecords(sink.bytes(), sink.size(), true, true);
    EXPECT(part.bytes == sink.size() && part.packets == summary.packets);
    EXPECT(writer.counts().packets == summary.packets && writer.counts().bytes == sink.size());
  }
}

FilterSpec someFilter() {
  FilterSpec spec;
  spec.filtered = true;
  spec.programs.push_back(
      {kLinkTypeEthernet,
       {{BPF_LD | BPF_B | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_NET_OFF)}, {BPF_RET | BPF_A, 0, 0, 0}},
       {}});
  return spec;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 + sizeof(BlockHeader)) return 0;
  const std::uint8_t refuse = *data++;
  const std::size_t length = --size / 8 * 8;
  const std::unique_ptr<std::uint64_t[]> memory(new std::uint64_t[length / 8]);
  auto* block = reinterpret_cast<std::byte*>(memory.get());

  std::memcpy(block, data, length);
  const std::uint32_t announced = reinterpret_cast<BlockHeader*>(block)->num_pkts;
  std::uint32_t seen = 0;
  const BlockSummary first = walkBlock(block, length, [&](Record&) { return (refuse >> (seen++ % 8) & 1) == 0; });
  EXPECT(seen + first.malformed == announced && first.packets <= seen);
  read(block, length, first);
  write(block, first);
  const BlockSummary second = thinIndex(block, first, [](Record&) { return true; });
  EXPECT(second.packets == first.packets && second.bytes == first.bytes && second.length == first.length);
  read(block, length, second);

  std::memcpy(block, data, length);
  SelectionTable table(someFilter(), true);
  table.use(std::make_unique<support::NoKernel>(true), [] { return RingPosition{}; });
  std::uint32_t generation = 0;
  InterfaceBook book;
  TakenBlock taken = table.take(block, length, {0, 1}, [&](std::uint32_t index) {
    InterfaceInfo info;
    info.index = index;
    info.generation = ++generation;
    const Moment now{index, {1}};
    (void)table.apply(book.enter({{InterfaceChange::Added, info, {}}}, now), now);
    if ((index & 1) == 0) table.decide(info.id(), book.epoch(), (refuse & 1) != 0, now);
  });
  EXPECT(taken.records == announced);
  table.handOut(block, taken);
  read(block, length, taken.summary);
  const auto stats = table.stats();
  EXPECT(stats.delivered == taken.summary.packets && stats.queued == 0);
  EXPECT(stats.delivered + stats.unselected + stats.lateRefused + stats.malformed == announced);
  return 0;
}
