// The relations between devices and their effect on packets. No kernel is involved, so bonds and VRF devices are
// covered too.
#include "core/bpf/dedupe.h"

#include "support/blocks.h"
#include "support/check.h"

using namespace ringtap;

namespace {

constexpr std::uint32_t kBridge = 10, kPortA = 1, kPortB = 2, kUplink = 5, kOther = 6;

// A bridge with two ports, and two further devices.
struct Host {
  std::vector<DedupeDevice> devices{
      {kBridge, "bridge", 0, 0, true}, {kPortA, "veth", kBridge, 0, true}, {kPortB, "veth", kBridge, 0, true},
      {kUplink, "", 0, 0, true},       {kOther, "", 0, 0, true},
  };
  DedupeDevice& at(std::uint32_t index) {
    for (DedupeDevice& device : devices) {
      if (device.index == index) return device;
    }
    return devices.emplace_back(DedupeDevice{index, "", 0, 0, true});
  }
  DedupeRelation of(std::uint32_t index, Direction direction = Direction::Both) const {
    return relate(devices, direction).at(index);
  }
  bool has(std::uint32_t index, std::uint32_t flags, Direction direction = Direction::Both) const {
    return (of(index, direction).flags & flags) == flags;
  }
  bool lacks(std::uint32_t index, std::uint32_t flags, Direction direction = Direction::Both) const {
    return (of(index, direction).flags & flags) == 0;
  }
};

}  // namespace

TEST(aBridgeWithAllOfItsPorts) {
  const Host host;
  CHECK((host.of(kUplink) == DedupeRelation{kDedupeTaken | kDedupeArrivals, 0}));
  CHECK((host.of(kBridge) == DedupeRelation{kDedupeTaken | kDedupeArrivals | kDedupeAllIn, 0}));
  const DedupeRelation port{kDedupeTaken | kDedupeArrivals | kDedupeMaster | kDedupeAllOut, kBridge};
  CHECK(host.of(kPortA) == port && host.of(kPortB) == port);
}

TEST(aPortThatIsNotSelected) {
  Host host;
  host.at(kPortB).selected = false;
  CHECK((host.of(kPortB) == DedupeRelation{kDedupeMaster, kBridge}));
  CHECK(host.has(kPortA, kDedupeMaster) && host.lacks(kPortA, kDedupeAllOut));
  CHECK(host.has(kBridge, kDedupeTaken) && host.lacks(kBridge, kDedupeAllIn));
  host.at(kBridge).selected = false;
  CHECK((host.of(kBridge) == DedupeRelation{0, 0}));
  CHECK((host.of(kPortA) == DedupeRelation{kDedupeTaken | kDedupeArrivals, kBridge}));
}

TEST(aBridgeThatIsNotSelected) {
  Host host;
  host.at(kBridge).selected = false;
  CHECK((host.of(kBridge) == DedupeRelation{kDedupeArrivals, 0}));
  CHECK((host.of(kPortA) == DedupeRelation{kDedupeTaken | kDedupeArrivals, kBridge}));
  host.devices.erase(host.devices.begin() + 1, host.devices.begin() + 3);  // without ports
  CHECK((host.of(kBridge) == DedupeRelation{0, 0}));
}

TEST(duplicatesDependOnTheDirection) {
  const Host host;
  for (const std::uint32_t index : {kBridge, kPortA, kUplink}) {
    CHECK(
        host.lacks(index, kDedupeTaken | kDedupeArrivals | kDedupePeer | kDedupeAllIn | kDedupeAllOut, Direction::Out));
    CHECK(host.has(index, kDedupeTaken | kDedupeArrivals, Direction::In));
    CHECK(host.lacks(index, kDedupeMaster | kDedupePeer | kDedupeAllOut, Direction::In));
  }
  CHECK(host.has(kPortA, kDedupeMaster, Direction::Out));
  CHECK(host.has(kBridge, kDedupeAllIn, Direction::In));
}

TEST(bondsOnBridgesAndMastersOfOtherKinds) {
  for (const char* kind : {"bond", "team", "bridge"}) {
    Host host;
    host.at(20) = {20, kind, kBridge, 0, false};
    host.at(21) = {21, "", 20, 0, true};
    CHECK((host.of(20) == DedupeRelation{kDedupeArrivals | kDedupeMaster, kBridge}));
    CHECK((host.of(21) == DedupeRelation{kDedupeTaken | kDedupeArrivals, 20}));
    CHECK(host.has(kBridge, kDedupeAllIn) && host.has(kPortA, kDedupeAllOut));
    host.at(22) = {22, "", 20, 0, false};
    CHECK(host.lacks(20, kDedupeArrivals) && host.lacks(kBridge, kDedupeAllIn) && host.lacks(kPortA, kDedupeAllOut));
  }
  for (const char* kind : {"openvswitch", "vrf", "batadv", "hsr"}) {
    Host host;
    host.at(20) = {20, kind, 0, 0, true};
    host.at(21) = {21, "", 20, 0, true};
    CHECK((host.of(21) == DedupeRelation{kDedupeTaken | kDedupeArrivals, 0}));
    CHECK(host.lacks(20, kDedupeAllIn));
  }
  Host host;
  host.at(20) = {20, "vrf", 0, 0, true};
  host.at(21) = {21, "", 20, 0, true};
  CHECK((host.of(20) == DedupeRelation{kDedupeArrivals, 0}));  // received through its port: not seen at the VRF device
  host.at(21).selected = false;
  CHECK((host.of(20) == DedupeRelation{0, 0}));
  host.at(30) = {30, "ifb", 0, 0, true};
  CHECK((host.of(30) == DedupeRelation{0, 0}));
}

TEST(pairsWithBothEndsHere) {
  Host host;
  host.at(30) = {30, "veth", 0, 31, true};
  host.at(31) = {31, "veth", 0, 30, true};
  CHECK((host.of(30) == DedupeRelation{kDedupeTaken | kDedupeArrivals | kDedupePeer | kDedupeAllIn, 0}));
  host.at(31).selected = false;
  CHECK((host.of(30) == DedupeRelation{kDedupeTaken | kDedupeArrivals, 0}));
  CHECK((host.of(31) == DedupeRelation{kDedupeArrivals | kDedupePeer, 0}));  // delivered when it left the peer
  host.at(30).peer = 77;                                                     // its peer is not on this host
  CHECK(host.lacks(30, kDedupePeer));
}

TEST(impossibleTopologiesAreTolerated) {
  // Events may be read in the middle of a change.
  Host host;
  host.at(40) = {40, "bond", 41, 0, false};
  host.at(41) = {41, "bridge", 40, 0, true};
  host.at(42) = {42, "bridge", 42, 42, false};
  host.at(43) = {43, "veth", 99, 98, true};
  CHECK(host.has(41, kDedupeTaken) && host.lacks(42, kDedupeArrivals) && host.of(43).master == 0);
  CHECK(relate({}, Direction::Both).empty());
}

TEST(judgementByTopology) {
  const auto judge = [](std::uint32_t flags, std::uint8_t type, std::vector<std::uint8_t> bytes) {
    support::MadeRecord made;
    made.packetType = type;
    made.bytes = std::move(bytes);
    support::Block block = support::Block::of({made});
    const Record record{&block.record(0), block.offset(0)};
    return duplicateByTopology({flags, 0}, record);
  };
  const std::vector<std::uint8_t> plain(14, 2);
  CHECK(!judge(0, PACKET_OUTGOING, plain) && !judge(0, PACKET_HOST, plain));
  CHECK(judge(kDedupeAllIn, PACKET_BROADCAST, plain) && !judge(kDedupeAllIn, PACKET_OUTGOING, plain));
  CHECK(judge(kDedupeAllOut, PACKET_OUTGOING, plain) && !judge(kDedupeAllOut, PACKET_OTHERHOST, plain));
  CHECK(!judge(~(kDedupeAllIn | kDedupeAllOut), PACKET_OUTGOING, plain));
  const std::vector<std::uint8_t> lldp{1, 0x80, 0xc2, 0, 0, 0x0e, 0};
  CHECK(!judge(kDedupeAllOut, PACKET_OUTGOING, lldp) && judge(kDedupeAllIn, PACKET_MULTICAST, lldp));
  CHECK(judge(kDedupeAllOut, PACKET_OUTGOING, {1, 0x80, 0xc2, 0, 0, 0x10, 0}));
  CHECK(judge(kDedupeAllOut, PACKET_OUTGOING, {1, 0x80, 0xc2, 0, 1, 0x0e, 0}));
  CHECK(judge(kDedupeAllOut, PACKET_OUTGOING, {1, 0x80, 0xc2, 0, 0}));
  CHECK(judge(kDedupeAllOut, PACKET_OUTGOING, {}));
}
