// The deduplication rule in the eBPF mode: on known packet paths in sequence, and at random against
// support/dedupe_model.h. Runs in the machine of support/ebpf_machine.h and needs no privilege.
#include "core/bpf/dedupe_program.h"

#include <linux/if_arp.h>

#include "core/bpf/ebpf_program.h"
#include "support/check.h"
#include "support/choices.h"
#include "support/crossings.h"
#include "support/ebpf_filter.h"
#include "support/random_filter.h"

using namespace ringtap;
using support::Choices;
using support::EbpfFilterModel;

namespace {

using Bytes = std::vector<std::uint8_t>;

// The program for these devices, all of them listed.
struct Bench {
  explicit Bench(const std::vector<DedupeDevice>& devices, FilterSpec spec = {}) : ebpf(spec, true, true) {
    for (const DedupeDevice& device : devices) ebpf.list(device.index, ARPHRD_ETHER, !device.selected);
    for (const auto& [index, relation] : relate(devices, spec.direction)) ebpf.relate(index, relation);
  }
  bool passes(std::uint32_t index, std::uint8_t type, std::uint32_t ingress, const Bytes& bytes) {
    PacketMetadata metadata;
    metadata.interfaceIndex = index;
    metadata.packetType = type;
    metadata.hardwareType = ARPHRD_ETHER;
    ebpf.machine.ingress = ingress;
    const auto verdict = ebpf.machine.run(ebpf.code, bytes, static_cast<std::uint32_t>(bytes.size()), metadata);
    if (!verdict) std::fprintf(stderr, "at %zu: %s\n", ebpf.machine.faultAt(), ebpf.machine.fault());
    CHECK(verdict.has_value());
    return verdict.value_or(0) != 0;
  }
  bool in(std::uint32_t index, const Bytes& bytes) { return passes(index, PACKET_OTHERHOST, index, bytes); }
  bool out(std::uint32_t index, std::uint32_t ingress, const Bytes& bytes) {
    return passes(index, PACKET_OUTGOING, ingress, bytes);
  }
  EbpfFilterModel ebpf;
};

Bytes frame(std::uint8_t source, std::size_t size = 60) {
  Bytes bytes(size, 0x42);
  bytes[0] = 2;
  bytes[6] = source;
  return bytes;
}

constexpr std::uint32_t kBridge = 10, kA = 1, kB = 2, kUp = 5, kNobody = 99;

std::vector<DedupeDevice> host(bool bridge, bool a, bool b, bool up) {
  return {
      {kBridge, "bridge", 0, 0, bridge}, {kA, "veth", kBridge, 0, a}, {kB, "veth", kBridge, 0, b}, {kUp, "", 0, 0, up}};
}

}  // namespace

TEST(eachPacketThroughABridgeIsAcceptedOnce) {
  Bench bench(host(true, true, true, true));
  for (int again = 0; again < 3; ++again) {  // equal bytes, but a separate packet each time
    CHECK(bench.in(kA, frame(1)) && !bench.out(kB, kA, frame(1)) && !bench.in(kBridge, frame(1)));  // flooded
    CHECK(bench.in(kA, frame(1)) && !bench.in(kBridge, frame(1)));                                  // to the host
    CHECK(bench.out(kBridge, 0, frame(2)) && !bench.out(kA, 0, frame(2)) && !bench.out(kB, 0, frame(2)));
    CHECK(bench.in(kUp, frame(3)) && !bench.out(kBridge, kUp, frame(4)) && !bench.out(kB, kUp, frame(4)));
    CHECK(bench.in(kA, frame(1)) && !bench.in(kBridge, frame(1)) && !bench.out(kUp, kBridge, frame(5)));
    CHECK(bench.out(kUp, 0, frame(5)));
  }
  CHECK(bench.ebpf.accepted() == 18 && bench.ebpf.duplicates() == 27);
}

TEST(packetsThatABridgeDidNotTakeFromThePortAreAccepted) {
  Bench bench(host(true, true, true, true));
  CHECK(bench.in(kBridge, frame(1)));  // the first packet ever
  CHECK(bench.in(kA, frame(1)));
  CHECK(bench.in(kBridge, frame(2)));  // another source: sent by the bridge itself
  CHECK(bench.in(kA, frame(1)));
  CHECK(bench.in(kBridge, frame(1, 61)));                                                   // another length
  CHECK(bench.in(kA, frame(1)) && bench.in(kUp, frame(1)) && bench.in(kBridge, frame(1)));  // not the previous packet
  CHECK(bench.in(kA, frame(1)) && !bench.in(kBridge, frame(1)));
  CHECK(bench.in(kBridge, frame(1)));  // each matched only once
  // A device without a slot has no relations.
  CHECK(bench.in(kNobody, frame(1)) && bench.in(kBridge, frame(1)) && bench.out(kB, kNobody, frame(1)));
}

TEST(linkLocalFramesSentOnAPortAreAccepted) {
  Bench bench(host(true, true, true, true));
  Bytes bytes = frame(1);
  const std::uint8_t group[] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x02};
  std::copy(std::begin(group), std::end(group), bytes.begin());
  CHECK(bench.out(kA, 0, bytes) && bench.out(kB, 0, bytes));
  CHECK(bench.in(kA, bytes) && !bench.out(kB, kA, bytes));  // with spanning tree off, the bridge forwards one of them
  for (const auto& [at, value] : {std::pair{0, 3}, {1, 0x81}, {2, 0xc3}, {3, 1}, {4, 1}, {5, 0x10}}) {
    Bytes other = bytes;
    other[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(value);
    CHECK(!bench.out(kA, 0, other));
  }
  CHECK(!bench.out(kA, 0, Bytes(3, 1)));
}

TEST(eachPacketIsAcceptedOnceIfPartsOfAHostAreCaptured) {
  {
    Bench bench(host(true, false, true, true));  // A is not captured
    CHECK(!bench.in(kA, frame(1)) && bench.in(kBridge, frame(1)) && !bench.out(kUp, kBridge, frame(1)));
    CHECK(bench.in(kB, frame(1)) && !bench.in(kBridge, frame(1)) && !bench.out(kUp, kBridge, frame(1)));
    CHECK(!bench.in(kA, frame(1)) && bench.out(kB, kA, frame(1)));
  }
  {
    Bench bench(host(false, true, true, true));  // the bridge is not captured
    CHECK(bench.in(kA, frame(1)) && !bench.in(kBridge, frame(1)) && !bench.out(kUp, kBridge, frame(1)));
    CHECK(bench.out(kA, 0, frame(2)) && bench.out(kB, 0, frame(2)));
    CHECK(bench.in(kUp, frame(1)) && !bench.out(kBridge, kUp, frame(1)) && !bench.out(kA, kUp, frame(1)));
  }
  {
    Bench bench(host(false, true, false, true));  // neither is B: the ingress port of a routed packet is unknown
    CHECK(bench.in(kA, frame(1)) && !bench.in(kBridge, frame(1)) && bench.out(kUp, kBridge, frame(1)));
    CHECK(!bench.in(kB, frame(1)) && !bench.in(kBridge, frame(1)) && bench.out(kUp, kBridge, frame(1)));
  }
  {
    Bench bench(host(true, true, true, false));  // the uplink is not captured: the bridge sees its packets first
    CHECK(!bench.in(kUp, frame(1)) && bench.out(kBridge, kUp, frame(2)) && !bench.out(kA, kUp, frame(2)));
  }
}

TEST(aPacketThatTheFilterRefusedAtFirstIsAcceptedLater) {
  FilterSpec spec;
  spec.filtered = true;
  // Accepts packets whose byte 20 is 7, as if address translation had set it.
  spec.programs.push_back({kLinkTypeEthernet,
                           {support::op(BPF_LD | BPF_B | BPF_ABS, 20), support::jump(BPF_JEQ | BPF_K, 7, 0, 1),
                            support::op(BPF_RET, 100), support::op(BPF_RET, 0)},
                           {}});
  Bench bench(host(true, true, true, true), spec);
  Bytes before = frame(1);
  Bytes after = frame(2);
  after[20] = 7;
  CHECK(!bench.in(kUp, before) && bench.out(kBridge, kUp, after) && !bench.out(kA, kUp, after));
  CHECK(!bench.in(kA, before) && !bench.in(kBridge, before) && bench.out(kUp, kBridge, after));
  CHECK(bench.in(kUp, after) && !bench.out(kBridge, kUp, after));
  CHECK(bench.ebpf.duplicates() == 2);
  // After queueing, with other packets in between, the packet is mistaken for one already delivered.
  CHECK(!bench.in(kUp, before) && bench.in(kB, after) && !bench.out(kBridge, kUp, after));
}

TEST(theProgramAgreesWithTheModel) {
  Choices choices(31);
  support::CrossingCounts counts;
  for (int round = 0; round < 1500; ++round) {
    const char* difference = support::crossAtRandom(choices, 30, counts);
    if (difference != nullptr) std::fprintf(stderr, "round %d: %s\n", round, difference);
    CHECK(difference == nullptr);
  }
  CHECK(counts.duplicates > 1000 && counts.accepted > 5000);
}
