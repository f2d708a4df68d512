// The eBPF mode of the socket filter as the kernel verifies and runs it (bpf(2), BPF_PROG_TEST_RUN), compared with the
// same reference. A test run cannot set the direction or use the loopback device; capture_live_test.cpp covers those.
// The program receives packets without their link header, because the kernel test-runs socket filters that way
// (net/bpf/test_run.c, is_l2).
#include <linux/bpf.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <optional>

#include "core/bpf/address_filter.h"
#include "core/bpf/connection_filter.h"
#include "core/bpf/ebpf.h"
#include "core/bpf/ebpf_program.h"
#include "core/bpf/sample_filter.h"
#include "core/bpf/slice_filter.h"
#include "core/filter/filter_interpreter.h"
#include "support/addresses.h"
#include "support/check.h"
#include "support/connections.h"
#include "support/headers.h"
#include "support/namespace.h"
#include "support/random_filter.h"
#include "support/verdict.h"

using namespace ringtap;
using support::Choices;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kFirstDevice = 100;
constexpr std::uint32_t kDevices = 4;

struct Tables {
  UniqueFd slotOf;
  UniqueFd slots;
  UniqueFd unlisted;
  UniqueFd relations;
  UniqueFd path;
  [[nodiscard]] EbpfMaps fds(bool dedupe) const {
    EbpfMaps maps{slotOf.get(), slots.get(), unlisted.get()};
    if (dedupe) maps.dedupe = DedupeMapFds{relations.get(), path.get()};
    return maps;
  }
  // Lists a device in this slot.
  void list(std::uint32_t slot, std::uint32_t device, std::uint16_t hardwareType, bool refused = false) const {
    Slot entry{};
    entry.flags = refused ? kSlotRefused : 0;
    entry.flags |= std::uint32_t{linkTypeOrdinal(linkTypeOf(hardwareType))} << kSlotLinkTypeShift;
    CHECK(mapUpdate(slots.get(), slot, &entry));
    CHECK(mapUpdate(slotOf.get(), device, &slot));
  }
  // The packets counted as accepted on the device in this slot.
  [[nodiscard]] std::uint64_t accepted(std::uint32_t slot) const {
    Slot entry{};
    CHECK(mapLookup(slots.get(), slot, &entry));
    return entry.accepted;
  }
};

std::optional<Tables> makeTables() {
  auto slotOf = createHashMap(4, 64);
  auto slots = createMappedArray(sizeof(Slot), 64);
  auto unlisted = createHashMap(8, 64);
  auto relations = createMappedArray(sizeof(DedupeSlot), 64);
  auto path = createProcessorArray(sizeof(DedupePath), 1);
  if (!slotOf || !slots || !unlisted || !relations || !path) return std::nullopt;
  return Tables{std::move(*slotOf), std::move(slots->map), std::move(*unlisted), std::move(relations->map),
                std::move(*path)};
}

// Adds veth devices with these indexes.
void addDevices(std::uint32_t first, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string index = std::to_string(first + i);
    support::ip("link add dev near" + index + " index " + index + " type veth peer name far" + index);
  }
}

// The filter's eBPF mode, assembled and accepted by the kernel's verifier; nothing, after a failed CHECK, otherwise.
std::optional<UniqueFd> load(const FilterSpec& spec, bool acceptUnlisted, const EbpfMaps& maps) {
  const auto code = assembleEbpf(spec, acceptUnlisted, maps);
  CHECK(code.ok());
  if (!code.ok()) return std::nullopt;
  auto program = loadSocketFilter(code.value());
  CHECK(program.ok());
  if (program.ok()) return std::move(*program);
  std::fprintf(stderr, "%s\n", program.error().message.c_str());
  return std::nullopt;
}

// Returns the program's result for a frame received on this device; nothing if the kernel cannot run it.
std::optional<std::uint32_t> testRun(int program, const Bytes& frame, std::uint32_t device) {
  __sk_buff context{};
  context.ifindex = device;
  bpf_attr attributes{};
  attributes.test.prog_fd = static_cast<std::uint32_t>(program);
  attributes.test.data_in = reinterpret_cast<std::uintptr_t>(frame.data());
  attributes.test.data_size_in = static_cast<std::uint32_t>(frame.size());
  attributes.test.ctx_in = reinterpret_cast<std::uintptr_t>(&context);
  attributes.test.ctx_size_in = sizeof context;
  attributes.test.repeat = 1;
  if (::syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes) != 0) return std::nullopt;
  return attributes.test.retval;
}

// eth_type_trans() classifies the frame as addressed to another host or as a broadcast.
Bytes frameOf(Choices& choices, const Bytes& payload, PacketMetadata& metadata) {
  const bool broadcast = choices.oneIn(2);
  metadata.packetType = broadcast ? PACKET_BROADCAST : PACKET_OTHERHOST;
  metadata.protocol = choices.oneIn(2) ? 0x86dd : 0x88b5;
  Bytes frame(14 + payload.size(), broadcast ? 0xff : 0x06);
  frame[12] = static_cast<std::uint8_t>(metadata.protocol >> 8);
  frame[13] = static_cast<std::uint8_t>(metadata.protocol);
  std::copy(payload.begin(), payload.end(), frame.begin() + 14);
  return frame;
}

bool readsLinkHeader(const FilterProgram& program) {
  for (const FilterInstruction& each : program) {
    if (each.k >= static_cast<std::uint32_t>(SKF_LL_OFF) && each.k < support::kAncillary) return true;
  }
  return false;
}

// A filter for both link types that the kernel can test-run and verify.
FilterSpec randomSpec(Choices& choices) {
  FilterSpec spec;
  spec.snapshotLength = 1 + choices.below(2000);
  spec.direction = static_cast<Direction>(choices.below(3));
  spec.filtered = !choices.oneIn(8);
  for (const std::uint16_t linkType : {kLinkTypeEthernet, kLinkTypeRaw}) {
    const FilterProgram program = support::randomProgram(choices, true, 24);
    if (!validateFilter(program).ok() || readsLinkHeader(program)) continue;
    spec.programs.push_back({linkType, support::withoutUnreachable(program), {}});
  }
  return spec;
}

}  // namespace

TEST(theKernelAgreesWithTheReference) {
  if (!mayUseBpf()) SKIP("eBPF is not for this process (CAP_BPF)");
  if (!makeTables()) SKIP("the kernel makes no eBPF maps for this process");
  addDevices(kFirstDevice, kDevices);
  Choices choices(21);
  int loaded = 0;
  int accepted = 0;
  for (int round = 0; round < 400; ++round) {
    const FilterSpec spec = randomSpec(choices);
    const bool acceptUnlisted = choices.oneIn(2);
    const auto tables = makeTables();
    CHECK(tables.has_value());
    if (!tables) return;
    // No other device is listed, so no packet is a duplicate.
    const auto program = load(spec, acceptUnlisted, tables->fds(choices.oneIn(2)));
    if (!program) continue;
    ++loaded;
    // The first device is accepted, the second refused, the third accepted with a raw link type, the fourth not listed.
    const std::uint16_t hardwareTypes[kDevices] = {ARPHRD_ETHER, ARPHRD_ETHER, ARPHRD_NONE, ARPHRD_ETHER};
    for (std::uint32_t i = 0; i < 3; ++i) tables->list(i, kFirstDevice + i, hardwareTypes[i], i == 1);
    std::uint64_t counts[kDevices] = {};
    for (int i = 0; i < 24; ++i) {
      const std::uint32_t device = choices.below(kDevices);
      const Bytes payload = choices.bytes(40 + choices.below(40));
      PacketMetadata metadata;
      const Bytes frame = frameOf(choices, payload, metadata);
      metadata.interfaceIndex = kFirstDevice + device;
      metadata.hardwareType = hardwareTypes[device];
      metadata.networkOffset = 0;
      const auto length = static_cast<std::uint32_t>(payload.size());
      std::uint32_t expected = device == 1 ? 0 : support::tailVerdict(spec, payload, length, metadata);
      if (device == 3) {
        expected = acceptUnlisted && spec.direction != Direction::Out ? kWholePacket : 0;
      }
      const auto verdict = testRun(program->get(), frame, kFirstDevice + device);
      if (!verdict && loaded == 1) SKIP("the kernel does not test-run socket filters with a chosen device");
      CHECK(verdict == expected);
      counts[device] += expected != 0 ? 1 : 0;
    }
    for (std::uint32_t device = 0; device < kDevices; ++device) {
      std::uint64_t counted = 0;
      if (device == 3) {
        (void)mapLookup(tables->unlisted.get(), kFirstDevice + device, &counted);
      } else {
        counted = tables->accepted(device);
      }
      CHECK(counted == counts[device]);
      accepted += static_cast<int>(counted);
    }
  }
  CHECK(loaded > 300 && accepted > 500);
}

// Packets that arrive: at a bridge port, at the bridge, and at other devices. Outgoing packets cannot be test-run;
// test/live/filter/dedupe.test.ts covers them.
TEST(theKernelFindsDuplicates) {
  if (!mayUseBpf()) SKIP("eBPF is not for this process (CAP_BPF)");
  const auto tables = makeTables();
  if (!tables) SKIP("the kernel makes no eBPF maps for this process");
  cpu_set_t one;  // deduplication state is per processor
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  CHECK(::sched_setaffinity(0, sizeof one, &one) == 0);
  constexpr std::uint32_t port = kFirstDevice, bridge = kFirstDevice + 1, other = kFirstDevice + 2;
  const std::vector<DedupeDevice> devices{
      {port, "veth", bridge, 0, true}, {bridge, "bridge", 0, 0, true}, {other, "", 0, 0, true}};
  for (const auto& [index, relation] : relate(devices, Direction::Both)) {
    const std::uint32_t slot = index - kFirstDevice;
    const Slot verdict{};
    const DedupeSlot entry{relation.flags, relation.master, 0};
    CHECK(mapUpdate(tables->slots.get(), slot, &verdict));
    CHECK(mapUpdate(tables->relations.get(), slot, &entry));
    CHECK(mapUpdate(tables->slotOf.get(), index, &slot));
  }
  const auto program = load({}, false, tables->fds(true));
  if (!program) return;
  const Bytes frame(60, 6);
  Bytes different = frame;
  different[14 + 7] = 1;  // the kernel strips the link header for a test run
  if (!testRun(program->get(), frame, other)) SKIP("the kernel does not test-run socket filters");
  const auto passes = [&](std::uint32_t device, const Bytes& bytes) {
    return testRun(program->get(), bytes, device) != 0u;
  };
  for (int again = 0; again < 3; ++again) {
    CHECK(passes(port, frame) && !passes(bridge, frame));
    CHECK(passes(bridge, frame));
    CHECK(passes(port, frame) && passes(bridge, different));
    CHECK(passes(port, frame) && passes(other, frame) && passes(bridge, frame));
  }
  DedupeSlot counted{};
  CHECK(mapLookup(tables->relations.get(), bridge - kFirstDevice, &counted) && counted.duplicates == 3);
}

TEST(theKernelFindsAddressesAsTheReferenceDoes) {
  if (!mayUseBpf()) SKIP("eBPF is not for this process (CAP_BPF)");
  const auto tables = makeTables();
  if (!tables) SKIP("the kernel makes no eBPF maps for this process");
  constexpr std::uint32_t kFirst = 200;
  constexpr std::uint16_t kTypes[] = {ARPHRD_ETHER, ARPHRD_NONE, 7};
  addDevices(kFirst, std::size(kTypes));
  for (std::uint32_t i = 0; i < std::size(kTypes); ++i) tables->list(i, kFirst + i, kTypes[i]);
  Choices choices(22);
  std::uint64_t accepted = 0, refused = 0;
  for (int round = 0; round < 300; ++round) {
    const support::AddressChoice chosen = support::randomAddresses(choices, round % 10 == 0 ? 2000 : 12);
    FilterSpec spec;
    spec.addresses = chosen.filter(true);
    EbpfMaps maps{tables->slotOf.get(), tables->slots.get(), tables->unlisted.get()};
    if (spec.addresses) {
      const auto fds = spec.addresses->maps();
      CHECK(fds.ok());
      if (!fds.ok()) return;
      maps.addresses = fds.value();
    }
    const auto program = load(spec, true, maps);
    if (!program) continue;
    for (int i = 0; i < 40; ++i) {
      const std::uint32_t device = choices.below(std::size(kTypes));
      const std::uint16_t linkType = linkTypeOf(kTypes[device]);
      PacketMetadata metadata;
      Bytes payload = support::randomPacket(choices, linkType);
      payload.resize(std::max<std::size_t>(payload.size(), 1));
      Bytes frame = frameOf(choices, payload, metadata);
      frame[12] = 0x88;  // with the EtherType of IPv6, the kernel would require a complete header
      frame[13] = 0xb5;
      const bool passes = support::addressesPass(chosen, support::addressesOf(linkType, payload));
      const auto verdict = testRun(program->get(), frame, kFirst + device);
      if (!verdict && round == 0) SKIP("the kernel does not test-run socket filters with a chosen device");
      CHECK(verdict == (passes ? spec.snapshotLength : 0));
      (passes ? accepted : refused) += 1;
    }
  }
  std::uint64_t counted = 0;
  for (std::uint32_t i = 0; i < std::size(kTypes); ++i) counted += tables->accepted(i);
  CHECK(counted == accepted && accepted > 3000 && refused > 3000);
}

TEST(theKernelFindsConnectionsAsTheReferenceDoes) {
  if (!mayUseBpf()) SKIP("eBPF is not for this process (CAP_BPF)");
  const auto tables = makeTables();
  if (!tables) SKIP("the kernel makes no eBPF maps for this process");
  constexpr std::uint32_t kFirst = 300;
  constexpr std::uint16_t kTypes[] = {ARPHRD_ETHER, ARPHRD_NONE, 7};
  addDevices(kFirst, std::size(kTypes));
  for (std::uint32_t i = 0; i < std::size(kTypes); ++i) tables->list(i, kFirst + i, kTypes[i]);
  Choices choices(23);
  std::uint64_t accepted = 0, refused = 0;
  for (int round = 0; round < 300; ++round) {
    const support::AddressChoice hosts =
        choices.oneIn(3) ? support::randomAddresses(choices) : support::AddressChoice{};
    const support::Connections chosen = support::randomConnections(choices, 24);
    FilterSpec spec;
    spec.addresses = hosts.filter(true);
    spec.connections = support::filterOf(chosen, true);
    EbpfMaps maps{tables->slotOf.get(), tables->slots.get(), tables->unlisted.get()};
    if (spec.addresses) maps.addresses = spec.addresses->maps().value();
    if (spec.connections) {
      const auto fds = spec.connections->maps();
      CHECK(fds.ok());
      if (!fds.ok()) return;
      maps.connections = fds.value();
    }
    const auto program = load(spec, true, maps);
    if (!program) continue;
    for (int i = 0; i < 40; ++i) {
      const std::uint32_t device = choices.below(std::size(kTypes));
      const std::uint16_t linkType = linkTypeOf(kTypes[device]);
      PacketMetadata metadata;
      Bytes payload = support::randomPacketAmong(choices, linkType, chosen);
      payload.resize(std::max<std::size_t>(payload.size(), 1));
      Bytes frame = frameOf(choices, payload, metadata);
      frame[12] = 0x88;  // with the EtherType of IPv6, the kernel would require a complete header
      frame[13] = 0xb5;
      const bool passes = support::addressesPass(hosts, support::addressesOf(linkType, payload)) &&
                          support::connectionPasses(chosen, support::connectionOf(linkType, payload));
      const auto verdict = testRun(program->get(), frame, kFirst + device);
      if (!verdict && round == 0) SKIP("the kernel does not test-run socket filters with a chosen device");
      CHECK(verdict == (passes ? spec.snapshotLength : 0));
      (passes ? accepted : refused) += 1;
    }
  }
  std::uint64_t counted = 0;
  for (std::uint32_t i = 0; i < std::size(kTypes); ++i) counted += tables->accepted(i);
  CHECK(counted == accepted && accepted > 3000 && refused > 1500);
}

TEST(aHundredThousandAddressesInTheKernel) {
  if (!mayUseBpf()) SKIP("eBPF is not for this process (CAP_BPF)");
  if (!makeTables()) SKIP("the kernel makes no eBPF maps for this process");
  support::AddressChoice chosen;
  for (std::uint32_t i = 0; i < 50'000; ++i) {
    chosen.exclude.push_back({i * 40503u, 32, false});
    chosen.exclude.push_back({(Bits128{0x20010db8'00000000} + i) << 64, 64, true});
  }
  const auto maps = AddressMaps::create(AddressSet(chosen.exclude, {}));
  CHECK(maps.ok());
  if (!maps.ok()) return;
  const auto fds = maps.value().fds();
  CHECK(fds.addresses4 && !fds.prefixes4 && !fds.addresses6 && fds.prefixes6);
}

TEST(theKernelSamplesAndCutsAsTheReferenceDoes) {
  if (!mayUseBpf()) SKIP("eBPF is not for this process (CAP_BPF)");
  const auto tables = makeTables();
  if (!tables) SKIP("the kernel makes no eBPF maps for this process");
  constexpr std::uint32_t kFirst = 400;
  constexpr std::uint16_t kTypes[] = {ARPHRD_ETHER, ARPHRD_NONE};
  addDevices(kFirst, std::size(kTypes));
  for (std::uint32_t i = 0; i < std::size(kTypes); ++i) tables->list(i, kFirst + i, kTypes[i]);
  Choices choices(24);
  support::HeaderChoices packets(choices);
  std::uint64_t accepted = 0, refused = 0, cut = 0;
  for (int round = 0; round < 60; ++round) {
    FilterSpec spec;
    spec.snapshotLength = choices.oneIn(3) ? 1 + choices.below(100) : 262144;
    if (!choices.oneIn(4)) spec.sample = std::make_shared<const SampleFilter>(Sample{0x9000'0000, choices.below(3)});
    spec.slice = static_cast<Slice>(round % 3);
    const auto program = load(spec, true, EbpfMaps{tables->slotOf.get(), tables->slots.get(), tables->unlisted.get()});
    if (!program) continue;
    for (int i = 0; i < 200; ++i) {
      const std::uint32_t device = choices.below(std::size(kTypes));
      const std::uint16_t linkType = linkTypeOf(kTypes[device]);
      PacketMetadata metadata;
      Bytes payload = packets.packet(linkType);
      payload.resize(std::max<std::size_t>(payload.size(), 1));
      Bytes frame = frameOf(choices, payload, metadata);
      frame[12] = 0x88;  // with the EtherType of IPv6, the kernel would require a complete header
      frame[13] = 0xb5;
      const auto verdict = testRun(program->get(), frame, kFirst + device);
      if (!verdict && round == 0) SKIP("the kernel does not test-run socket filters with a chosen device");
      if (spec.sample && !support::sampled(spec.sample->sample(), linkType, payload)) {
        CHECK(verdict == 0u);
        ++refused;
        continue;
      }
      const auto slice = support::sliceOf(spec.slice, linkType, payload);
      CHECK(verdict == std::min<std::size_t>(spec.snapshotLength, slice.value_or(spec.snapshotLength)));
      ++accepted;
      cut += slice && *slice < payload.size() ? 1 : 0;
    }
  }
  std::uint64_t taken = 0, sampledOut = 0;
  for (std::uint32_t i = 0; i < std::size(kTypes); ++i) {
    Slot entry{};
    CHECK(mapLookup(tables->slots.get(), i, &entry));
    taken += entry.accepted;
    sampledOut += entry.sampledOut;
  }
  CHECK(taken == accepted && sampledOut == refused && accepted > 5000 && refused > 1000 && cut > 2000);
}
