// The walk must find everything that the filler wrote and sealed, and the filler must not write past the block
// (AddressSanitizer checks this).
#include "core/block/block_filler.h"

#include <linux/if_arp.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "support/blocks.h"
#include "support/check.h"

using namespace ringtap;
using support::Block;

namespace {

std::span<const std::uint8_t> bytesOf(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

TEST(filledBlocksAreReadBack) {
  Block block(4096);
  BlockFiller filler(block.data(), block.size());
  constexpr std::uint64_t time = 1'700'000'000'123'456'789;
  RecordHead head(0x8000'0001, 239, ARPHRD_VOID, 14);
  head.setProtocol(0x0800);
  head.setTag(RecordHead::Tag{0x3005, 0x88a8});
  FilledPacket packet;
  packet.data = bytesOf("fi");
  packet.original = 9;
  packet.timestamp = time;
  packet.seconds = time / 1'000'000'000;
  packet.nanoseconds = time % 1'000'000'000;
  CHECK(filler.add(head, packet, bytesOf("rst")));
  head.setTag(std::nullopt);
  packet.packetType = kPacketIncoming;
  CHECK(filler.add(head, packet));
  CHECK(filler.add(RecordHead(7, std::nullopt, ARPHRD_ETHER),
                   {.data = bytesOf("second"), .original = 6, .packetType = kPacketIncoming}));
  const BlockSummary before = filler.summary();
  const std::size_t used = filler.seal();

  int count = 0;
  const BlockSummary summary = walkBlock(block.data(), used, [&](Record& record) {
    const bool last = ++count == 3;
    const RecordAddress& from = record.from();
    const RecordHeader& header = *record.header;
    const char* expected = count == 1 ? "first" : count == 2 ? "fi" : "second";
    CHECK(header.tp_snaplen == std::strlen(expected) && std::memcmp(record.data(), expected, header.tp_snaplen) == 0);
    CHECK(record.truncated() == !last);
    CHECK(record.ownLinkType() == (last ? std::nullopt : std::optional<std::uint16_t>(239)));
    CHECK(((header.tp_status & kStatusVlanValid) != 0) == (count == 1));
    CHECK(((header.tp_status & kStatusVlanTpidValid) != 0) == (count == 1));
    CHECK(from.sll_pkttype == (count == 1 ? kPacketUnknown : kPacketIncoming));
    CHECK(from.sll_hatype == (last ? ARPHRD_ETHER : ARPHRD_VOID));
    if (last) {
      CHECK(from.sll_ifindex == 7 && from.sll_protocol == 0 && header.tp_net == header.tp_mac);
      return true;
    }
    CHECK(record.timestamp() == time);
    CHECK(static_cast<std::uint32_t>(from.sll_ifindex) == 0x8000'0001);
    CHECK(from.sll_protocol == htons(0x0800) && header.tp_net - header.tp_mac == 14);
    CHECK(header.tp_vlan_tci == (count == 1 ? 0x3005 : 0) && header.tp_vlan_tpid == (count == 1 ? 0x88a8 : 0));
    return true;
  });
  CHECK(summary.packets == 3 && summary.bytes == 13 && summary.malformed == 0 && summary.length == used);
  CHECK(summary.firstTimestamp == time && summary.lastTimestamp == 0);
  CHECK(before.packets == 3 && before.bytes == 13 && before.firstTimestamp == time && before.lastTimestamp == 0);
}

TEST(aBlockIsFilledToItsLastByteAndSoIsItsIndex) {
  const RecordHead head(1, std::nullopt, ARPHRD_ETHER);
  for (const std::uint32_t captured : {0u, 1u, 4u, 5u, 100u, 1514u}) {
    for (std::size_t size = 4096; size < 4096 + 128; size += 8) {
      Block block(size);
      BlockFiller filler(block.data(), block.size());
      std::vector<std::uint8_t> data(captured);
      std::uint32_t packets = 0;
      for (;; ++packets) {
        data.assign(captured, static_cast<std::uint8_t>(packets));
        if (!filler.add(head, {.data = data, .original = captured})) break;
      }
      CHECK(filler.summary().packets == packets && packets > 1);
      const std::size_t used = filler.seal();
      CHECK(used <= size);
      std::uint32_t seen = 0;
      const BlockSummary summary = walkBlock(block.data(), used, [&](Record& record) {
        if (captured > 0) CHECK(record.data()[captured - 1] == static_cast<std::uint8_t>(seen));
        ++seen;
        return true;
      });
      CHECK(summary.packets == packets && seen == packets && summary.malformed == 0);
    }
  }
}

TEST(aBlockOfFewPacketsIsSmall) {
  Block block(512 * 1024);
  BlockFiller filler(block.data(), block.size());
  const std::vector<std::uint8_t> data(60, 7);
  CHECK(filler.add(RecordHead(1, std::nullopt, ARPHRD_ETHER), {.data = data, .original = 60}));
  const std::size_t used = filler.seal();
  CHECK(used < 256);
  const BlockSummary summary = walkBlock(block.data(), used, [](Record& record) { return record.data()[59] == 7; });
  CHECK(summary.packets == 1 && summary.malformed == 0);
}

TEST(anEmptyBlockHasNoPackets) {
  Block block(128);
  BlockFiller filler(block.data(), block.size());
  const std::vector<std::uint8_t> data(128);
  CHECK(!filler.add(RecordHead(), {.data = data}) && filler.empty());
  const std::size_t used = filler.seal();
  CHECK(walkBlock(block.data(), used, [](Record&) { return true; }).packets == 0);
}
