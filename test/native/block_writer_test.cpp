// What the writer puts down the walk finds again, and not a byte beyond the block is touched (the address sanitizer
// watches).
#include "core/block_writer.h"

#include <linux/if_arp.h>

#include <cstring>

#include "check.h"
#include "support/blocks.h"

using namespace ringtap;
using support::Block;

TEST(whatIsWrittenIsRead) {
  Block block(4096);
  BlockWriter writer(block.data(), block.size());
  PacketNote note;
  note.timestamp = 1'700'000'000'123'456'789;
  note.interface = 0x8000'0001;
  note.hardwareType = ARPHRD_VOID;
  note.linkType = 239;
  note.protocol = 0x0800;
  note.networkOffset = 14;
  note.captured = 5;
  note.original = 9;
  note.vlan = PacketNote::Tag{0x3005, 0x88a8};
  std::memcpy(writer.append(note), "first", 5);
  std::memcpy(
      writer.append({.hardwareType = ARPHRD_ETHER, .packetType = kPacketIncoming, .captured = 6, .original = 6}),
      "second", 6);
  CHECK(writer.packets() == 2);
  const std::size_t used = writer.finish();

  int count = 0;
  const BlockSummary summary = walkBlock(block.data(), used, [&](Record& record) {
    const bool first = count++ == 0;
    const sockaddr_ll& from = record.from();
    const tpacket3_hdr& header = *record.header;
    CHECK(std::memcmp(record.data(), first ? "first" : "second", header.tp_snaplen) == 0);
    CHECK(record.truncated() == first);
    CHECK(record.ownLinkType() == (first ? std::optional<std::uint16_t>(239) : std::nullopt));
    if (!first) {
      CHECK(from.sll_pkttype == kPacketIncoming && from.sll_hatype == ARPHRD_ETHER);
      CHECK((header.tp_status & TP_STATUS_VLAN_VALID) == 0);
      return true;
    }
    CHECK(record.timestamp() == note.timestamp);
    CHECK(static_cast<std::uint32_t>(from.sll_ifindex) == note.interface && from.sll_pkttype == kPacketUnknown);
    CHECK(from.sll_protocol == htons(0x0800) && header.tp_net - header.tp_mac == 14);
    CHECK((header.tp_status & TP_STATUS_VLAN_VALID) != 0 && (header.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0);
    CHECK(header.hv1.tp_vlan_tci == 0x3005 && header.hv1.tp_vlan_tpid == 0x88a8);
    return true;
  });
  CHECK(summary.packets == 2 && summary.bytes == 11 && summary.malformed == 0 && summary.length == used);
  CHECK(summary.firstTimestamp == note.timestamp && summary.lastTimestamp == 0);
}

TEST(aBlockIsFilledToItsLastByteAndSoIsItsIndex) {
  for (const std::uint32_t captured : {0u, 1u, 4u, 5u, 100u, 1514u}) {
    for (std::size_t size = 4096; size < 4096 + 128; size += 8) {
      Block block(size);
      BlockWriter writer(block.data(), block.size());
      std::uint32_t packets = 0;
      for (; writer.fits(captured); ++packets) {
        std::memset(writer.append({.captured = captured, .original = captured}), static_cast<int>(packets), captured);
      }
      CHECK(writer.packets() == packets && packets > 1);
      const std::size_t used = writer.finish();
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
  BlockWriter writer(block.data(), block.size());
  std::memset(writer.append({.captured = 60, .original = 60}), 7, 60);
  const std::size_t used = writer.finish();
  CHECK(used < 256);
  const BlockSummary summary = walkBlock(block.data(), used, [](Record& record) { return record.data()[59] == 7; });
  CHECK(summary.packets == 1 && summary.malformed == 0);
}

TEST(anEmptyBlockHasNoPackets) {
  Block block(128);
  BlockWriter writer(block.data(), block.size());
  CHECK(!writer.fits(128) && writer.packets() == 0);
  const std::size_t used = writer.finish();
  CHECK(walkBlock(block.data(), used, [](Record&) { return true; }).packets == 0);
}
