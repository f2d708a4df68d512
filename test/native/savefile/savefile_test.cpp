// Savefiles as bytes: the blocks, the content of successive files, and how much of a truncated file is intact.
#include <algorithm>
#include <functional>
#include <map>
#include <vector>

#include "core/savefile/savefile_format.h"
#include "core/savefile/savefile_writer.h"
#include "support/blocks.h"
#include "support/check.h"

using namespace ringtap;
using namespace ringtap::savefile;
using support::MadeRecord;

namespace {

// Parses pcapng blocks independently of the writer, following the draft.
struct FileBlock {
  std::uint32_t type = 0;
  std::vector<std::uint8_t> body;
  std::multimap<std::uint16_t, std::vector<std::uint8_t>> options;
};

template <typename T>
T at(const std::vector<std::uint8_t>& bytes, std::size_t offset) {
  T value{};
  CHECK(offset + sizeof value <= bytes.size());
  if (offset + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::vector<FileBlock> blocksOf(std::span<const std::byte> file) {
  std::vector<std::uint8_t> bytes(file.size());
  std::memcpy(bytes.data(), file.data(), file.size());
  std::vector<FileBlock> blocks;
  for (std::size_t offset = 0; offset < bytes.size();) {
    const auto length = at<std::uint32_t>(bytes, offset + 4);
    CHECK(length >= 12 && length % 4 == 0 && offset + length <= bytes.size());
    if (length < 12 || offset + length > bytes.size()) break;
    CHECK(at<std::uint32_t>(bytes, offset + length - 4) == length);
    FileBlock block;
    block.type = at<std::uint32_t>(bytes, offset);
    block.body.assign(bytes.begin() + static_cast<std::ptrdiff_t>(offset) + 8,
                      bytes.begin() + static_cast<std::ptrdiff_t>(offset + length) - 4);
    std::size_t option = 16;
    if (block.type == kInterfaceDescription) option = 8;
    if (block.type == kInterfaceStatistics) option = 12;
    if (block.type == kEnhancedPacket) option = 20 + (at<std::uint32_t>(block.body, 12) + 3) / 4 * 4;
    while (option < block.body.size()) {
      const auto code = at<std::uint16_t>(block.body, option);
      const auto size = at<std::uint16_t>(block.body, option + 2);
      option += 4;
      if (code == 0) break;
      CHECK(option + size <= block.body.size());
      if (option + size > block.body.size()) break;
      const auto from = block.body.begin() + static_cast<std::ptrdiff_t>(option);
      block.options.emplace(code, std::vector<std::uint8_t>(from, from + size));
      option += (size + 3u) / 4 * 4;
    }
    CHECK(option == block.body.size());
    blocks.push_back(std::move(block));
    offset += length;
  }
  return blocks;
}

std::string text(const FileBlock& block, std::uint16_t code) {
  const auto found = block.options.find(code);
  return found == block.options.end() ? "(none)" : std::string(found->second.begin(), found->second.end());
}

// Walks the records of a block as the loop does.
void forEachRecord(const std::vector<MadeRecord>& made, const std::function<void(Record&)>& visit,
                   const std::function<void(RecordHeader&)>& change = {}) {
  support::Block block = support::Block::of(made);
  for (std::size_t i = 0; change && i < made.size(); ++i) change(block.record(i));
  const BlockSummary summary = walkBlock(block.data(), block.size(), [](Record&) { return true; });
  CHECK(summary.packets == made.size());
  walkIndex(block.data(), summary.packets, visit);
}

SavefileInterface ethernet(std::string name) {
  SavefileInterface interface;
  interface.name = std::move(name);
  return interface;
}

}  // namespace

TEST(everyLengthIsPaddedAndReadBack) {
  ByteSink sink;
  SavefileWriter writer(sink, {});
  writer.begin();
  const std::uint32_t id = writer.add(ethernet("eth0"));
  std::vector<MadeRecord> made;
  made.reserve(70);
  for (std::size_t length = 0; length < 70; ++length) {
    MadeRecord record;
    record.bytes.reserve(1);  // allocates memory even for an empty packet
    record.bytes.resize(length);
    for (std::size_t i = 0; i < length; ++i) record.bytes[i] = static_cast<std::uint8_t>(length + i);
    record.originalLength = static_cast<std::uint32_t>(length + 1000);
    record.packetType = static_cast<std::uint8_t>(length % 5);
    record.nanoseconds = static_cast<std::uint32_t>(length);
    made.push_back(std::move(record));
  }
  forEachRecord(made, [&](Record& record) {
    const std::size_t before = sink.size();
    const std::size_t foretold = writer.sizeOf(id, record);
    CHECK(writer.write(id, record));
    CHECK(sink.size() - before == foretold);
  });
  writer.end();
  const auto blocks = blocksOf(sink.bytes());
  CHECK(blocks.size() == 2 + made.size());
  CHECK(writer.counts().packets == made.size() && writer.counts().bytes == sink.size());
  CHECK(writer.counts().packetBytes == 69 * 70 / 2);
  // Host, broadcast, multicast, another host, outgoing: linux/if_packet.h.
  constexpr std::uint32_t flags[] = {1 | 1 << 2, 1 | 3 << 2, 1 | 2 << 2, 1 | 4 << 2, 2};
  for (std::size_t i = 0; i < made.size() && i + 2 < blocks.size(); ++i) {
    const FileBlock& block = blocks[i + 2];
    CHECK(block.type == 6 && at<std::uint32_t>(block.body, 0) == id);
    const std::uint64_t time = std::uint64_t{at<std::uint32_t>(block.body, 4)} << 32 | at<std::uint32_t>(block.body, 8);
    CHECK(time == 1'700'000'000ull * 1'000'000'000 + i);
    CHECK(at<std::uint32_t>(block.body, 12) == i && at<std::uint32_t>(block.body, 16) == i + 1000);
    CHECK(std::equal(made[i].bytes.begin(), made[i].bytes.end(), block.body.begin() + 20));
    for (std::size_t pad = 20 + i; pad % 4 != 0; ++pad) CHECK(block.body[pad] == 0);
    const auto flag = block.options.find(2);
    CHECK(flag != block.options.end() && at<std::uint32_t>(flag->second, 0) == flags[i % 5]);
  }
}

TEST(aStrippedTagIsPutBack) {
  std::vector<MadeRecord> made(4);
  for (MadeRecord& record : made) {
    record.bytes.resize(60);
    for (std::size_t i = 0; i < 60; ++i) record.bytes[i] = static_cast<std::uint8_t>(i);
  }
  made[2].bytes.resize(11);  // too short for the field
  made[3].bytes.resize(12);
  std::vector<FilePacket> packets;
  const auto tag = [n = 0](RecordHeader& header) mutable {
    header.tp_status |= kStatusVlanValid;
    header.tp_vlan_tci = 0x6005;
    if (n++ == 1) {
      header.tp_status |= kStatusVlanTpidValid;
      header.tp_vlan_tpid = 0x88a8;
    }
  };
  int number = 0;
  forEachRecord(
      made,
      [&](Record& record) {
        const FilePacket packet = FilePacket::of(record, 1);
        const bool place = number != 2;
        CHECK(packet.captured == made[static_cast<std::size_t>(number)].bytes.size() + (place ? 4 : 0));
        CHECK(packet.original == packet.captured);
        std::vector<std::byte> bytes(packet.captured);
        packet.copyTo(bytes.data());
        std::vector<std::uint8_t> wanted = made[static_cast<std::size_t>(number)].bytes;
        const std::uint8_t tpid = number == 1 ? 0x88 : 0x81;
        const std::uint8_t inserted[] = {tpid, static_cast<std::uint8_t>(number == 1 ? 0xa8 : 0), 0x60, 0x05};
        if (place) wanted.insert(wanted.begin() + 12, inserted, inserted + 4);
        CHECK(std::memcmp(bytes.data(), wanted.data(), wanted.size()) == 0);
        // Raw IP has no such field.
        CHECK(FilePacket::of(record, 101).captured == made[static_cast<std::size_t>(number)].bytes.size());
        ++number;
      },
      tag);
}

TEST(sectionAndInterfacesAreDescribed) {
  ByteSink sink;
  SavefileForm options;
  options.section = {"a machine", "a system", "a program", {"one", "two"}};
  SavefileWriter writer(sink, options);
  for (int file = 0; file < 2; ++file) {
    sink.clear();
    writer.begin();
    SavefileInterface interface = ethernet("eth0");
    interface.description = "veth";
    interface.address = {2, 0, 0, 0, 0, 7};
    interface.speed = 10'000'000'000;
    interface.filter = "port 53";
    interface.comments = {"c"};
    InterfaceAddress four{2, {192, 0, 2, 1}, 23, 0};
    InterfaceAddress six{10, {0x20, 1}, 64, 0};
    interface.addresses = {four, six};
    CHECK(writer.add(interface) == 0);
    SavefileStatistics statistics;
    statistics.start = 0x100000002;
    statistics.end = 0x300000004;
    statistics.delivered = 5;
    statistics.dropped = 7;
    statistics.bySystem = 6;
    writer.statistics(0, statistics);
    writer.end();
    CHECK(writer.counts().bytes == sink.size());
    const auto blocks = blocksOf(sink.bytes());
    CHECK(blocks.size() == 3);
    if (blocks.size() != 3) return;
    CHECK(at<std::uint32_t>(blocks[0].body, 0) == 0x1a2b3c4d && at<std::uint16_t>(blocks[0].body, 4) == 1);
    CHECK(blocks[0].options.count(1) == 2);
    CHECK(text(blocks[0], 2) == "a machine" && text(blocks[0], 3) == "a system" && text(blocks[0], 4) == "a program");
    CHECK(text(blocks[1], 2) == "eth0" && text(blocks[1], 3) == "veth" && text(blocks[1], 1) == "c");
    CHECK(text(blocks[1], 4) == std::string("\xc0\0\x02\x01\xff\xff\xfe\0", 8));
    CHECK(text(blocks[1], 5) == std::string("\x20\x01", 2) + std::string(14, '\0') + "\x40");
    CHECK(text(blocks[1], 6) == std::string("\x02\0\0\0\0\x07", 6));
    CHECK(at<std::uint64_t>(blocks[1].options.find(8)->second, 0) == 10'000'000'000u);
    CHECK(text(blocks[1], 9) == "\x09" && text(blocks[1], 11) == std::string(1, '\0') + "port 53");
    CHECK(at<std::uint32_t>(blocks[2].options.find(2)->second, 0) == 1);  // upper 32 bits first
    CHECK(at<std::uint32_t>(blocks[2].options.find(2)->second, 4) == 2);
    const auto figure = [&](std::uint16_t code) { return at<std::uint64_t>(blocks[2].options.find(code)->second, 0); };
    CHECK(figure(4) == 12 && figure(5) == 7 && figure(7) == 6 && figure(8) == 5);
  }
}

TEST(longTextsAreCut) {
  ByteSink sink;
  SavefileForm options;
  options.section.comments = {std::string(100'000, 'x')};
  SavefileWriter writer(sink, options);
  writer.begin();
  const auto blocks = blocksOf(sink.bytes());
  CHECK(blocks.size() == 1 && text(blocks[0], 1).size() == 65'532);
}

TEST(pcapHasOneLinkType) {
  for (const bool nanoseconds : {true, false}) {
    ByteSink sink;
    SavefileForm options;
    options.format = SavefileFormat::Pcap;
    options.nanoseconds = nanoseconds;
    SavefileWriter writer(sink, options);
    writer.begin();
    CHECK(sink.size() == 0);
    SavefileInterface raw;
    raw.linkType = 101;
    const std::uint32_t first = writer.add(raw);
    const std::uint32_t again = writer.add(raw);
    const std::uint32_t other = writer.add(ethernet("eth0"));
    std::vector<MadeRecord> made(3);
    made[1].nanoseconds = 123'456'789;
    int number = 0;
    forEachRecord(made, [&](Record& record) {
      const std::uint32_t id = number == 0 ? first : number == 1 ? again : other;
      CHECK(writer.write(id, record) == (number++ < 2));
    });
    writer.end();
    CHECK(sink.size() == 24 + 2 * (16 + 4) && writer.counts().bytes == sink.size());
    std::uint32_t words[16];
    std::memcpy(words, sink.data(), sizeof words);
    CHECK(words[0] == (nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4) && words[5] == 101);
    CHECK(words[6] == 1'700'000'000 && words[8] == 4 && words[9] == 4);
    CHECK(words[12] == (nanoseconds ? 123'456'789 : 123'456));
  }
  ByteSink sink;
  SavefileForm options;
  options.format = SavefileFormat::Pcap;
  SavefileWriter writer(sink, options);
  writer.begin();
  writer.end();
  CHECK(sink.size() == 24);  // a file without packets is still a valid file
}

TEST(aTornEndIsFound) {
  for (const SavefileFormat format : {SavefileFormat::Pcapng, SavefileFormat::Pcap}) {
    ByteSink sink;
    SavefileForm options;
    options.format = format;
    SavefileWriter writer(sink, options);
    writer.begin();
    const std::uint32_t id = writer.add(ethernet("eth0"));
    std::vector<std::size_t> ends;
    const std::size_t head = sink.size();
    std::vector<MadeRecord> records(20);
    for (std::uint32_t i = 0; i < records.size(); ++i) records[i].seconds = 1000 - i;
    std::uint64_t earliest = 0;
    std::uint64_t latest = 0;
    forEachRecord(records, [&](Record& record) {
      if (ends.empty()) latest = record.timestamp();
      earliest = record.timestamp();
      CHECK(writer.write(id, record));
      ends.push_back(sink.size());
    });
    const bool pcap = format == SavefileFormat::Pcap;
    for (std::size_t length = 0; length <= sink.size(); ++length) {
      const WholePart part =
          pcap ? wholePcapRecords(sink.bytes(), length, true, true) : wholeBlocks(sink.bytes(), length);
      const auto whole = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), length) - ends.begin());
      CHECK(part.packets == whole);
      CHECK(part.packetBytes == whole * records[0].bytes.size());
      CHECK(part.lastTimestamp == (whole == 0 ? 0 : latest));
      CHECK(part.firstTimestamp == (whole == 0 ? 0 : latest - (whole - 1) * 1'000'000'000));
      CHECK(part.bytes <= length);
      if (length >= head) CHECK(part.bytes == (whole == 0 ? head : ends[whole - 1]));
    }
    CHECK(earliest == latest - 19'000'000'000);
  }
}
