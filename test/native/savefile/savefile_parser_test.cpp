#include "core/filter/filter.h"
#include "core/savefile/file_time.h"
#include "support/check.h"
#include "support/parse_savefile.h"
#include "support/savefiles.h"

using namespace ringtap;
using namespace ringtap::savefile;
using namespace support;
using namespace support::files;

namespace {

bool sameOutcome(const Parsed& left, const Parsed& right) {
  if (left.packets != right.packets || left.sections.size() != right.sections.size() ||
      left.interfaces.size() != right.interfaces.size() || left.blocks.size() != right.blocks.size() ||
      left.error.has_value() != right.error.has_value()) {
    return false;
  }
  return !left.error || (left.error->code == right.error->code && left.error->offset == right.error->offset);
}

FileBytes withBytes(FileBytes file, std::size_t at, const FileBytes& bytes) {
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
  return file;
}

FileBytes cut(const FileBytes& file, std::size_t length) {
  return {file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)};
}

}  // namespace

TEST(pcap_of_every_magic_and_byte_order) {
  for (const std::uint32_t magic : {kMagicMicroseconds, kMagicNanoseconds, kMagicKuznetsov}) {
    for (const bool big : {false, true}) {
      const PcapKind kind{.magic = magic, .bigEndian = big, .network = 101};
      const Parsed parsed = parseInPieces(pcapHeader(kind) + pcapRecord(kind, 1'700'000'000, 999'999, frame(61), 70) +
                                          pcapRecord(kind, 5, 0, {}, 0) + pcapRecord(kind, 0xffffffff, 1, frame(3), 3));
      const std::uint64_t unit = magic == kMagicNanoseconds ? 1 : 1000;
      CHECK(!parsed.error && !parsed.lost);
      CHECK(parsed.packets.size() == 3);
      if (parsed.packets.size() != 3) return;
      CHECK(parsed.packets[0].timestamp == 1'700'000'000'000'000'000u + 999'999 * unit);
      CHECK(parsed.packets[0].bytes == frame(61) && parsed.packets[0].original == 70);
      CHECK(parsed.packets[0].linkType == 101 && parsed.packets[0].interface == 0);
      CHECK(parsed.packets[0].packetType == (magic == kMagicKuznetsov ? kPacketOutgoing : kPacketUnknown));
      CHECK(parsed.packets[1].bytes.empty() && parsed.packets[1].timestamp == 5'000'000'000u);
      CHECK(parsed.packets[2].timestamp == 0xffffffffull * 1'000'000'000u + unit);
      CHECK(parsed.sections.size() == 1 && parsed.sections[0].bigEndian == big && !parsed.sections[0].pcapng);
      CHECK(parsed.interfaces.size() == 1 && parsed.interfaces[0].snapshotLength == 262144);
    }
  }
}

// The fraction is read as a signed number and added, as the writers of such files intend.
TEST(pcap_fraction_beyond_a_second_or_below_0) {
  for (const bool big : {false, true}) {
    const PcapKind kind{.bigEndian = big};
    const auto minus = [](std::int32_t value) { return static_cast<std::uint32_t>(-value); };
    const Parsed parsed = parseInPieces(
        pcapHeader(kind) + pcapRecord(kind, 10, 2'500'000, frame(1), 1) + pcapRecord(kind, 10, 999'999, frame(1), 1) +
        pcapRecord(kind, 10, 1'000'000, frame(1), 1) + pcapRecord(kind, 10, minus(19), frame(1), 1) +
        pcapRecord(kind, 0, minus(1), frame(1), 1) + pcapRecord(kind, 0xffffffff, 1'000'000, frame(1), 1));
    CHECK(!parsed.error && parsed.packets.size() == 6);
    if (parsed.packets.size() != 6) return;
    const std::uint64_t times[] = {
        12'500'000'000u, 10'999'999'000u, 11'000'000'000u, 9'999'981'000u, 0, 0x1'0000'0000u * 1'000'000'000u};
    for (std::size_t i = 0; i < 6; ++i) CHECK(parsed.packets[i].timestamp == times[i]);
    CHECK(parsed.stats.clampedTimes == 1 && parsed.warnings.size() == 1);
  }
  const PcapKind nano{.magic = kMagicNanoseconds};
  const Parsed parsed = parseInPieces(pcapHeader(nano) + pcapRecord(nano, 10, 1'000'000'001, frame(1), 1) +
                                      pcapRecord(nano, 10, static_cast<std::uint32_t>(-1), frame(1), 1));
  CHECK(parsed.packets.size() == 2);
  if (parsed.packets.size() == 2) {
    CHECK(parsed.packets[0].timestamp == 11'000'000'001u && parsed.packets[1].timestamp == 9'999'999'999u);
  }
}

TEST(pcap_reserved_bits_of_the_link_types_field_are_refused) {
  for (std::uint32_t bit = 1u << 16; bit < 1u << 26; bit <<= 1) {
    const Parsed parsed = parseInPieces(pcapHeader({.network = 1 | bit}));
    CHECK(parsed.error && parsed.error->code == Code::FileFormat && parsed.error->offset == 20);
  }
}

TEST(a_file_too_short_for_its_format_is_truncated) {
  for (const std::uint8_t wrong : {std::uint8_t{0}, std::uint8_t{0xff}}) {
    for (std::size_t length = 1; length < 4; ++length) {
      const Parsed parsed = parseInPieces(FileBytes(length, wrong));
      CHECK(parsed.error && parsed.error->code == Code::FileFormat && parsed.error->offset == 0);
    }
  }
  const Parsed empty = parseInPieces({});
  CHECK(empty.error && empty.error->code == Code::FileTruncated && empty.error->offset == 0);
}

TEST(sections_of_an_unknown_version_are_skipped) {
  const FileBytes section = ngSection(false) + ngInterface(false, 1, 0) + ngPacket(false, 0, 1, frame(20), 20);
  for (const bool big : {false, true}) {
    const FileBytes later = ngSection(big, {}, 2) + ngInterface(big, 1, 0) + ngPacket(big, 0, 1, frame(30), 30) +
                            ngBlock(big, kInterfaceDescription, {}) + ngBlock(big, 0x77, frame(4000));
    const Parsed between = parseInPieces(section + later + section);
    CHECK(!between.error && between.packets.size() == 2 && between.sections.size() == 2);
    CHECK(between.warnings.size() == 1);
    CHECK(between.interfaces.size() == 2 && between.blocks.empty());
    const Parsed first = parseInPieces(later + section);
    CHECK(!first.error && first.packets.size() == 1);
    const Parsed alone = parseInPieces(later);
    CHECK(alone.packets.empty() && alone.error && alone.error->code == Code::FileFormat && alone.error->offset == 0);
  }
}

TEST(options_of_a_block_are_kept_up_to_a_bound) {
  std::vector<std::pair<std::uint16_t, FileBytes>> options(20'000, {1, {}});
  options.push_back({9, {9}});  // if_tsresol, nanoseconds: applied although past the bound
  ParseOptions how;
  how.blockSize = 1 << 17;
  const Parsed parsed = parseInPieces(ngSection(false, options) + ngInterface(false, 1, 0, options) +
                                          ngPacket(false, 0, 1'700'000'000'000'000'001u, frame(20), 20),
                                      how);
  CHECK(!parsed.error && parsed.packets.size() == 1 && parsed.warnings.size() == 1);
  CHECK(parsed.sections[0].options.size() == 4096 && parsed.interfaces[0].options.size() == 4096);
  CHECK(parsed.packets[0].timestamp == 1'700'000'000'000'000'001u);
}

TEST(pcap_old_versions_have_the_original_length_first) {
  for (const auto& [major, minor] : {std::pair{2, 0}, {2, 1}, {2, 2}, {2, 3}, {543, 0}}) {
    PcapKind kind{.major = static_cast<std::uint16_t>(major), .minor = static_cast<std::uint16_t>(minor)};
    FileBytes record = FileWriter().u32(1).u32(0).u32(100).u32(8).raw(frame(8)).bytes;
    const Parsed parsed = parseInPieces(pcapHeader(kind) + record);
    CHECK(!parsed.error && parsed.packets.size() == 1);
    if (parsed.packets.size() == 1) CHECK(parsed.packets[0].bytes.size() == 8 && parsed.packets[0].original == 100);
  }
  for (const auto& [major, minor] : {std::pair{2, 5}, {1, 4}, {3, 0}}) {
    const PcapKind kind{.major = static_cast<std::uint16_t>(major), .minor = static_cast<std::uint16_t>(minor)};
    const Parsed parsed = parseInPieces(somePcap(kind, 1));
    CHECK(parsed.error && parsed.error->code == Code::FileFormat && parsed.error->offset == 4);
  }
}

TEST(pcap_frame_check_sequence_in_the_link_types_field) {
  const Parsed parsed = parseInPieces(pcapHeader({.network = 0x2400'0069}));
  CHECK(!parsed.error && parsed.interfaces.size() == 1);
  CHECK(parsed.interfaces[0].linkType == 105 && parsed.interfaces[0].fcsLength == 4);
}

TEST(the_packets_do_not_depend_on_how_the_bytes_are_divided) {
  for (const bool big : {false, true}) {
    for (const FileBytes& file : {somePcap({.bigEndian = big}, 40), somePcapng(big)}) {
      const Parsed whole = parseInPieces(file);
      CHECK(!whole.error && !whole.lost && whole.packets.size() > 5);
      for (const std::size_t piece : {1, 2, 3, 5, 7, 11, 12, 13, 28, 64, 100}) {
        for (const std::size_t blockSize : {512, 4096}) {
          const Parsed pieces = parseInPieces(file, {.piece = piece, .blockSize = blockSize});
          CHECK(!pieces.lost && sameOutcome(whole, pieces));
        }
      }
    }
  }
}

TEST(a_truncated_file_gives_every_packet_before_and_the_offset_of_the_next) {
  for (const FileBytes& file : {somePcap({}, 12), somePcapng(false)}) {
    const Parsed whole = parseInPieces(file);
    // The lengths at which the file ends between two items and is therefore complete.
    std::vector<std::size_t> ends;
    for (std::size_t length = 24; length <= file.size(); ++length) {
      const Parsed parsed = parseInPieces(cut(file, length));
      if (!parsed.error) ends.push_back(length);
    }
    CHECK(ends.back() == file.size());
    for (std::size_t length = ends.front(); length < file.size(); ++length) {
      const Parsed parsed = parseInPieces(cut(file, length));
      const auto next = std::upper_bound(ends.begin(), ends.end(), length);
      const std::size_t last = *(next - 1);
      CHECK(!parsed.lost);
      CHECK(std::equal(parsed.packets.begin(), parsed.packets.end(), whole.packets.begin()));
      CHECK(parsed.packets.size() == parseInPieces(cut(file, last)).packets.size());
      if (length == last) CHECK(!parsed.error);
      else
        CHECK(parsed.error && parsed.error->code == Code::FileTruncated &&
              parsed.error->offset == static_cast<std::int64_t>(last));
    }
    for (std::size_t length = 0; length < ends.front(); ++length) {
      const Parsed parsed = parseInPieces(cut(file, length));
      CHECK(parsed.error && parsed.error->code == Code::FileTruncated);
    }
  }
}

TEST(false_lengths_are_not_trusted) {
  const PcapKind kind;
  const FileBytes good = pcapHeader(kind) + pcapRecord(kind, 1, 0, frame(20), 20);
  for (const std::uint32_t claimed : {0xffffffffu, 0x7fffffffu, 262145u, 100'000u}) {
    const Parsed parsed =
        parseInPieces(good + FileWriter().u32(2).u32(0).u32(claimed).u32(claimed).raw(frame(64)).bytes);
    CHECK(parsed.packets.size() == 1 && parsed.error && parsed.error->code == Code::FileDamaged);
    CHECK(parsed.error->offset == 60 && parsed.maxAsked <= 16384 + 4096);
  }
  const FileBytes section = ngSection(false) + ngInterface(false, 1, 0) + ngPacket(false, 0, 1, frame(20), 20);
  const auto at = static_cast<std::int64_t>(section.size());
  const FileBytes packet = ngPacket(false, 0, 2, frame(20), 20);
  for (const FileBytes& bad : {
           withBytes(packet, 4, FileWriter().u32(0xfffffffc).bytes),  // block length
           withBytes(packet, 4, FileWriter().u32(28).bytes),
           withBytes(packet, 4, FileWriter().u32(51).bytes),
           withBytes(packet, packet.size() - 4, FileWriter().u32(56).bytes),  // the trailing block length
           withBytes(packet, 8, FileWriter().u32(1).bytes),                   // interface
           withBytes(packet, 20, FileWriter().u32(0xffffffff).bytes),         // captured length
           withBytes(packet, 20, FileWriter().u32(0xfffffffd).bytes),
           withBytes(packet, 20, FileWriter().u32(21).bytes),
           ngBlock(false, kSimplePacket, FileWriter().u32(30).raw(frame(20)).bytes),
           ngBlock(false, kInterfaceDescription, FileWriter().u32(1).bytes),
           withBytes(ngSection(false), 8, FileWriter().u32(1).bytes),
       }) {
    const Parsed parsed = parseInPieces(section + bad + FileBytes(64));
    CHECK(parsed.packets.size() == 1 && parsed.error && parsed.error->code == Code::FileDamaged);
    CHECK(parsed.error && parsed.error->offset == at);
    CHECK(!parsed.lost);
  }
  // An option that ends beyond its block: the reported offset is the block's.
  const FileBytes options = ngPacket(false, 0, 2, frame(20), 20, {{1, frame(8)}});
  const Parsed parsed = parseInPieces(section + withBytes(options, 50, FileWriter().u16(999).bytes));
  CHECK(parsed.packets.size() == 1 && parsed.error && parsed.error->offset == at);
  CHECK(parsed.error->message.find("48 bytes into a block") != std::string::npos);
  CHECK(parseInPieces(ngInterface(false, 1, 0)).error->code == Code::FileFormat);
}

TEST(pcapng_sections_interfaces_and_all_kinds_of_packets_are_read) {
  for (const bool big : {false, true}) {
    const Parsed parsed = parseInPieces(somePcapng(big));
    CHECK(!parsed.error && parsed.packets.size() == 6 && parsed.sections.size() == 2);
    if (parsed.packets.size() != 6 || parsed.interfaces.size() != 3) return;
    CHECK(parsed.sections[0].bigEndian == big && parsed.sections[1].bigEndian != big);
    CHECK(parsed.interfaces[2].index == 2 && parsed.interfaces[2].id == 0);
    const auto& packets = parsed.packets;
    CHECK(packets[0].timestamp == 1'700'000'000'000'000'001u && packets[0].bytes == frame(61));
    const std::vector<std::uint8_t> odd{1, 0, 0, 0, 3, 0, 1, 0, 'o', 'd', 'd', 0};
    CHECK(packets[0].options == odd && packets[0].packetType == kPacketUnknown);
    CHECK(packets[1].timestamp == 101'000'000'000u);  // 1024 / 2^10 s + 100 s
    CHECK(packets[1].packetType == kPacketOutgoing && packets[1].linkType == 101 && packets[1].original == 99);
    CHECK(packets[2].timestamp == 0 && packets[2].bytes == frame(10) && packets[2].interface == 0);
    CHECK(packets[3].timestamp == 7 && packets[3].bytes == frame(12));
    CHECK(packets[4].interface == 2 && packets[4].linkType == 113 && packets[4].timestamp == 5'000'000'000u);
    CHECK(packets[5].options == odd && packets[5].bytes == frame(90));
    CHECK(parsed.blocks.size() == 5 && parsed.stats.skippedBlocks == 0);
    const Parsed skipped = parseInPieces(somePcapng(big), {.piece = 9, .keep = false});
    CHECK(skipped.packets == packets && skipped.blocks.empty() && skipped.stats.skippedBlocks == 5);
  }
}

TEST(unwanted_blocks_of_any_size_are_skipped) {
  const FileBytes file = ngSection(false) + ngBlock(false, 0xbad, frame(1 << 20)) + ngInterface(false, 1, 0) +
                         ngPacket(false, 0, 1, frame(5), 5);
  for (const bool keep : {false, true}) {  // also when it is too large to keep
    const Parsed parsed = parseInPieces(file, {.piece = 1000, .keep = keep});
    CHECK(!parsed.error && parsed.packets.size() == 1 && parsed.blocks.empty());
    CHECK(parsed.stats.skippedBlocks == 1 && parsed.maxAsked < 4096);
  }
  const std::size_t at = ngSection(false).size();
  const Parsed cutShort = parseInPieces(cut(file, 5000), {.piece = 1000});
  CHECK(cutShort.error && cutShort.error->code == Code::FileTruncated);
  CHECK(cutShort.error && cutShort.error->offset == static_cast<std::int64_t>(at));
  FileBytes otherLength = file;
  otherLength[at + (1 << 20) + 8] ^= 4;  // the trailing block length
  const Parsed damaged = parseInPieces(otherLength, {.piece = 1000});
  CHECK(damaged.error && damaged.error->code == Code::FileDamaged);
}

TEST(simple_packets_are_limited_by_the_snapshot_length_of_the_interface) {
  const FileBytes start = ngSection(false) + ngInterface(false, 1, 24);
  const Parsed parsed =
      parseInPieces(start + ngSimplePacket(false, frame(24), 1500) + ngSimplePacket(false, frame(7), 7));
  CHECK(!parsed.error && parsed.packets.size() == 2);
  if (parsed.packets.size() == 2) CHECK(parsed.packets[0].bytes == frame(24) && parsed.packets[0].original == 1500);
  CHECK(parseInPieces(ngSection(false) + ngSimplePacket(false, frame(7), 7)).error->code == Code::FileDamaged);
}

TEST(flags_become_directions) {
  const std::pair<std::uint32_t, std::uint8_t> kinds[] = {
      {0x00, kPacketUnknown},   {0x01, kPacketIncoming},  {0x05, kPacketHost},     {0x09, kPacketMulticast},
      {0x0d, kPacketBroadcast}, {0x11, kPacketOtherHost}, {0x02, kPacketOutgoing}, {0x06, kPacketOutgoing},
      {0x08, kPacketUnknown},   {0x03, kPacketUnknown}};
  FileBytes file = ngSection(true) + ngInterface(true, 1, 0);
  for (const auto& [flags, type] : kinds) {
    file += ngPacket(true, 0, 0, frame(1), 1, {{2, FileWriter(true).u32(flags).bytes}});
  }
  const Parsed parsed = parseInPieces(file);
  CHECK(parsed.packets.size() == std::size(kinds));
  for (std::size_t i = 0; i < parsed.packets.size(); ++i) CHECK(parsed.packets[i].packetType == kinds[i].second);
}

TEST(filter_selection_and_snapshot_length_are_applied) {
  auto compiled = compileFilter("len > 50", 1, 262144, FilterInput::Memory);
  CHECK(compiled.ok());
  if (!compiled) return;
  const FileBytes file = somePcap({}, 40);
  const Parsed all = parseInPieces(file);
  const Parsed some = parseInPieces(file, {.snapshotLength = 20, .rule = {true, &compiled->instructions}});
  const auto matching = std::count_if(all.packets.begin(), all.packets.end(), [](auto& p) { return p.original > 50; });
  CHECK(matching > 5 && some.packets.size() == static_cast<std::size_t>(matching));
  CHECK(some.stats.packets == 40 && some.stats.filtered == 40 - some.packets.size());
  for (const auto& packet : some.packets) CHECK(packet.bytes.size() == 20 && packet.original > 50);
  const Parsed none = parseInPieces(file, {.rule = {false, nullptr}});
  CHECK(none.packets.empty() && none.stats.unselected == 40);
}

TEST(packets_are_cut_to_what_a_block_holds) {
  const std::size_t capacity = BlockFiller::capacity(16384);
  const PcapKind kind;
  const FileBytes start = pcapHeader(kind) + pcapRecord(kind, 1, 0, frame(5), 5);
  const FileBytes largest = frame(capacity);
  const Parsed parsed =
      parseInPieces(start + pcapRecord(kind, 2, 0, largest, 99'999) + pcapRecord(kind, 3, 0, frame(9), 9));
  CHECK(!parsed.error && parsed.packets.size() == 3);
  if (parsed.packets.size() == 3) CHECK(parsed.packets[1].bytes == largest);
  const Parsed longer = parseInPieces(start + pcapRecord(kind, 2, 0, frame(capacity + 1), 99'999));
  CHECK(longer.packets.size() == 1 && longer.error && longer.error->code == Code::FileDamaged);
  // With a comment the packet does not fit, and parsing must not loop without end.
  const Parsed comment = parseInPieces(ngSection(false) + ngInterface(false, 1, 0) +
                                       ngPacket(false, 0, 0, largest, 5, {{1, FileBytes(400, 'x')}}));
  CHECK(comment.packets.empty() && comment.error);
}

TEST(times_of_every_resolution_are_converted) {
  CHECK(FileTime().nanoseconds(1) == 1000);
  CHECK(FileTime(9).nanoseconds(UINT64_MAX) == UINT64_MAX);
  CHECK(FileTime(6).nanoseconds(UINT64_MAX) == UINT64_MAX);  // the year 586 524, clamped to the maximum
  CHECK(FileTime(6).nanoseconds(UINT64_MAX / 1000) == UINT64_MAX / 1000 * 1000);
  CHECK(FileTime(0).nanoseconds(1'700'000'000) == 1'700'000'000'000'000'000u);
  CHECK(FileTime(3).nanoseconds(1'700'000'000'123) == 1'700'000'000'123'000'000u);
  CHECK(FileTime(12).nanoseconds(1'700'000'000'123'999) == 1'700'000'000'123u);
  CHECK(FileTime(19).nanoseconds(UINT64_MAX) == 1'844'674'407u);
  CHECK(FileTime(28).nanoseconds(UINT64_MAX) == 1 && FileTime(29).nanoseconds(UINT64_MAX) == 0);
  CHECK(FileTime(127).nanoseconds(UINT64_MAX) == 0);
  CHECK(FileTime(0x80).nanoseconds(3) == 3'000'000'000u);
  CHECK(FileTime(0x80 | 10).nanoseconds(1536) == 1'500'000'000u);
  CHECK(FileTime(0x80 | 32).nanoseconds(std::uint64_t{1'700'000'000} << 32 | 0x80000000u) ==
        1'700'000'000'500'000'000u);
  CHECK(FileTime(0x80 | 63).nanoseconds(std::uint64_t{1} << 63) == 1'000'000'000u);
  CHECK(FileTime(0x80 | 127).nanoseconds(UINT64_MAX) == 0);
  CHECK(FileTime(6, 10).nanoseconds(5) == 10'000'005'000u);
  CHECK(FileTime(6, -10).nanoseconds(10'000'001) == 1000 && FileTime(6, -10).nanoseconds(5) == 0);
  CHECK(FileTime(9, INT64_MAX).nanoseconds(1) == UINT64_MAX && FileTime(9, INT64_MIN).nanoseconds(UINT64_MAX) == 0);
}

TEST(decimal_times_are_the_quotient_of_128_bits) {
  __extension__ typedef unsigned __int128 Wide;
  for (const std::int64_t offset : {0, 1}) {
    Wide divisor = 1;
    for (std::uint8_t resolution = 0; resolution <= 28; ++resolution, divisor *= 10) {
      for (const std::uint64_t units : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{9'999'999'999},
                                        std::uint64_t{1'700'000'000'123'456'789}, UINT64_MAX - 1, UINT64_MAX}) {
        const Wide exact = Wide{units} * 1'000'000'000u / divisor + static_cast<Wide>(offset) * 1'000'000'000u;
        const auto expected = exact > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(exact);
        bool clamped = false;
        CHECK(FileTime(resolution, offset).nanoseconds(units, clamped) == expected);
        CHECK(clamped == (exact > UINT64_MAX));
      }
    }
  }
}
