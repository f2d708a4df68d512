// What a recording writes of owners: the options of packets, how long answers are kept, and what is waited for.
#include "core/record/owner_notes.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/savefile/savefile_blocks.h"
#include "core/savefile/savefile_format.h"
#include "support/blocks.h"
#include "support/check.h"
#include "support/owner_source.h"

using namespace ringtap;
using support::ends;
using support::kSecond;
using support::packet;
using support::process;
using Bytes = std::vector<std::uint8_t>;

namespace {

// A block whose index was written.
struct Walked {
  explicit Walked(const std::vector<support::MadeRecord>& records) : block(support::Block::of(records)) {
    summary = walkBlock(block.data(), block.size(), [](const Record&) { return true; });
  }
  support::Block block;
  BlockSummary summary;
};

std::vector<std::string> texts(OwnerNotes& notes, const std::vector<support::MadeRecord>& records) {
  Walked walked(records);
  std::vector<std::string> found;
  walkIndex(walked.block.data(), walked.summary.packets, [&](const Record& record) {
    const auto options = notes.optionsOf(record);
    std::uint16_t length = 0;
    if (!options.empty()) std::memcpy(&length, options.data() + 2, sizeof length);
    found.emplace_back(options.empty() ? "" : reinterpret_cast<const char*>(options.data()) + 4, length);
  });
  return found;
}

bool complete(OwnerNotes& notes, const std::vector<support::MadeRecord>& records) {
  Walked walked(records);
  return notes.complete(walked.block.data(), walked.summary);
}

using Texts = std::vector<std::string>;

// Watched since second 100.
struct Fixture {
  std::shared_ptr<support::Owners> source = std::make_shared<support::Owners>(100 * kSecond);
  OwnerNotes notes{source};
};

}  // namespace

TEST(options_are_a_comment_and_the_sender) {
  const auto bytesOf = [](const std::vector<std::byte>& options) {
    const auto* at = reinterpret_cast<const std::uint8_t*>(options.data());
    return Bytes(at, at + options.size());
  };
  const Ownership curl{Ownership::Source::Holder, Ownership::Gap::None, 0, {process(0x0102, "curl")}};
  Ownership listener = curl;
  listener.source = Ownership::Source::Listener;
  Bytes expected{1, 0, 11, 0, 'c', 'u', 'r', 'l', '(', '2', '5', '8', ')', ' ', '>', 0};
  const Bytes sender{8, 0, 8, 0, 2, 1, 0, 0, 0, 0, 0, 0};  // the thread is not known
  // The listener may have handed the connection on.
  CHECK(bytesOf(ownerOptions(listener, {})) == expected);
  expected.insert(expected.end(), sender.begin(), sender.end());
  CHECK(bytesOf(ownerOptions(curl, {})) == expected);
  CHECK(ownerOptions({}, {}).empty());
  // The receiver has not originated the packet, and of two one has.
  CHECK(ownerOptions({}, curl).size() == 4 + 12);
  Ownership two = curl;
  two.processes.push_back(process(3, "curl"));
  CHECK(ownerOptions(two, {}).size() == 4 + 20);
}

TEST(each_direction_has_its_own) {
  Fixture f;
  f.source->connect(102 * kSecond);
  CHECK(texts(f.notes, {packet(102), packet(102, 443, true), packet(102, 80)}) ==
        (Texts{"curl(7) > nginx(8)", "nginx(8) > curl(7)", ""}));
  support::MadeRecord other = packet(102);
  other.bytes[23] = 1;  // ICMP
  CHECK(texts(f.notes, {other, {}}) == (Texts{"", ""}));
}

TEST(answers_are_kept_until_a_change) {
  Fixture f;
  f.source->connect(102 * kSecond);
  (void)texts(f.notes, {packet(103), packet(104), packet(105)});
  CHECK(f.source->answers == 2);
  f.source->table.seen(OwnerTable::kOwnSpace, {.ends = ends(80), .cookie = 9, .inode = 9}, 105 * kSecond);
  (void)texts(f.notes, {packet(106)});
  CHECK(f.source->answers == 2);  // that was of another connection
  f.source->table.ended(OwnerTable::kOwnSpace, {.ends = ends(), .cookie = 1, .inode = 1}, 107 * kSecond);
  CHECK(texts(f.notes, {packet(106), packet(108)}) == (Texts{"curl(7) > nginx(8)", "> nginx(8)"}));
  // The port is used again: the packets of either time have their own owner.
  f.source->table.born(3, 179 * kSecond, process(9, "wget"));
  f.source->table.seen(OwnerTable::kOwnSpace, {.ends = ends(), .cookie = 3, .inode = 3}, 180 * kSecond);
  f.source->hold(3, process(9, "wget"));
  f.source->sweep(181 * kSecond);
  CHECK(texts(f.notes, {packet(106), packet(181), packet(106), packet(182)}) ==
        (Texts{"curl(7) > nginx(8)", "wget(9) > nginx(8)", "curl(7) > nginx(8)", "wget(9) > nginx(8)"}));
}

TEST(a_block_is_complete_once_its_packets_were_followed_by_a_list) {
  Fixture f;
  CHECK(!complete(f.notes, {packet(101)}));
  CHECK(!complete(f.notes, {packet(101)}));
  CHECK(!f.notes.knows(101 * kSecond + 5));
  f.source->connect(102 * kSecond);
  CHECK(f.notes.knows(101 * kSecond + 5));
  CHECK(complete(f.notes, {packet(101)}));
  CHECK(complete(f.notes, {packet(105)}));  // both ends are known
  // Nobody is found: asked for once, and not for each further packet.
  CHECK(!complete(f.notes, {packet(105, 80)}));
  f.source->sweep(106 * kSecond);
  CHECK(complete(f.notes, {packet(105, 80)}));
  CHECK(complete(f.notes, {packet(107, 80)}));
  CHECK(!complete(f.notes, {packet(107, 80), packet(107, 81)}));
}

TEST(nothing_is_known_once_the_source_has_ended) {
  Fixture f;
  f.source->connect(102 * kSecond);
  CHECK(texts(f.notes, {packet(103)}) == Texts{"curl(7) > nginx(8)"});
  f.source->closed = true;
  CHECK(texts(f.notes, {packet(103)}) == Texts{""});
  CHECK(complete(f.notes, {packet(500, 99)}) && f.notes.knows(~std::uint64_t{0}));
}

TEST(the_number_of_flows_is_bounded) {
  Fixture f;
  f.source->connect(102 * kSecond);
  std::size_t seen = 0, known = 0;
  for (std::uint32_t first = 1; first < 60'001; first += 10'000) {
    std::vector<support::MadeRecord> records;
    for (std::uint32_t i = 0; i < 10'000; ++i) records.push_back(packet(103, static_cast<std::uint16_t>(first + i)));
    records.push_back(packet(103));
    for (const std::string& one : texts(f.notes, records)) {
      ++seen;
      known += one == "curl(7) > nginx(8)" ? 1 : 0;
    }
  }
  CHECK(seen == 60'006 && known == 7);
}

TEST(the_size_of_a_packet_includes_its_options) {
  for (const std::uint8_t type : {kPacketHost, kPacketUnknown}) {
    for (const std::uint32_t captured : {0u, 1u, 60u}) {
      const Bytes data(captured, 7);
      const FilePacket made{data.data(), captured, captured, std::nullopt};
      for (const std::vector<std::byte>& options : {std::vector<std::byte>{}, packetOptions("a", 5)}) {
        ByteSink sink;
        writePacket(sink, 0, 1, made, type, {}, options);
        CHECK(sink.size() == packetBlockSize(captured, type, options.size()));
        std::uint32_t length = 0;
        std::memcpy(&length, sink.bytes().data() + sink.size() - 4, sizeof length);
        CHECK(length == sink.size());
        std::uint32_t end = 1;
        if (!options.empty()) std::memcpy(&end, sink.bytes().data() + sink.size() - 8, sizeof end);
        CHECK(options.empty() || end == 0);
        // The slow way, with comments of one's own, has them too.
        ByteSink slow;
        const std::vector<std::string> comments{"mine"};
        writePacket(slow, 0, 1, made, type, comments, options);
        CHECK(slow.size() == packetBlockSize(captured, type, options.size() + 8));
      }
    }
  }
}
