// The eBPF mode of the socket filter, compared with the classic mode's reference. Runs in the machine of
// support/ebpf_machine.h and needs no privilege; ebpf_kernel_test.cpp runs it in the kernel.
#include "core/bpf/ebpf_program.h"

#include <linux/if_arp.h>
#include <linux/if_packet.h>

#include "core/bpf/ebpf_translation.h"
#include "core/bpf/slice_filter.h"
#include "core/filter/filter_interpreter.h"
#include "support/check.h"
#include "support/ebpf_filter.h"
#include "support/random_filter.h"

using namespace ringtap;
using support::Choices;
using support::EbpfFilterModel;
using support::op;

namespace {

using Bytes = std::vector<std::uint8_t>;

// Wraps the bare translation into a program that loads the context into R6.
std::vector<bpf_insn> translated(const FilterProgram& program) {
  std::vector<bpf_insn> code{{BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0}};
  CHECK(translateCbpf(program, code).ok());
  code.push_back({BPF_JMP | BPF_EXIT, 0, 0, 0, 0});
  return code;
}

std::optional<std::uint32_t> run(EbpfFilterModel& ebpf, const Bytes& bytes, const PacketMetadata& metadata) {
  const auto verdict = ebpf.machine.run(ebpf.code, bytes, static_cast<std::uint32_t>(bytes.size()), metadata);
  if (!verdict) std::fprintf(stderr, "at %zu: %s\n", ebpf.machine.faultAt(), ebpf.machine.fault());
  return verdict;
}

PacketMetadata packet(std::uint32_t index, std::uint8_t type, std::uint16_t hardwareType) {
  PacketMetadata metadata;
  metadata.interfaceIndex = index;
  metadata.packetType = type;
  metadata.hardwareType = hardwareType;
  return metadata;
}

}  // namespace

TEST(translationsMeanTheSame) {
  Choices choices(11);
  support::EbpfMachine machine;
  int nonzero = 0;
  for (int round = 0; round < 20000; ++round) {
    const FilterProgram program = support::randomProgram(choices, true, 40);
    if (!validateFilter(program).ok()) continue;
    const auto code = translated(program);
    for (int i = 0; i < 3; ++i) {
      const Bytes bytes = choices.bytes(choices.below(60));
      const auto length = static_cast<std::uint32_t>(bytes.size()) + choices.below(2) * 100;
      const PacketMetadata metadata = support::randomMetadata(choices);
      const auto verdict = machine.run(code, bytes, length, metadata);
      const std::uint32_t expected = runFilter(program, bytes, length, metadata);
      CHECK(verdict == expected);
      if (!verdict) std::fprintf(stderr, "at %zu: %s\n", machine.faultAt(), machine.fault());
      nonzero += expected != 0 ? 1 : 0;
    }
  }
  CHECK(nonzero > 1000);
}

TEST(whatHasNoEbpfCounterpartIsRefused) {
  for (const int which : {SKF_AD_HATYPE, SKF_AD_ALU_XOR_X, SKF_AD_CPU, SKF_AD_RANDOM, SKF_AD_NLATTR}) {
    std::vector<bpf_insn> code;
    const FilterProgram program{op(BPF_LD | BPF_W | BPF_ABS, support::kAncillary + static_cast<std::uint32_t>(which)),
                                op(BPF_RET | BPF_A)};
    const auto result = translateCbpf(program, code);
    CHECK(!result.ok() && result.error().code == Code::FilterSyntax);
  }
  std::vector<bpf_insn> code;
  CHECK(!translateCbpf(FilterProgram{op(BPF_JMP | BPF_JA, 5), op(BPF_RET, 1)}, code).ok());
  code.clear();
  CHECK(!translateCbpf(FilterProgram{support::jump(BPF_JEQ | BPF_K, 0, 0, 9), op(BPF_RET, 1)}, code).ok());
}

TEST(theLargestProgramIsTranslated) {
  for (const int code : {BPF_ALU | BPF_DIV | BPF_X, BPF_LDX | BPF_B | BPF_MSH, BPF_ALU | BPF_ADD | BPF_K}) {
    FilterProgram program(kMaxFilterInstructions, op(code, 1));
    program.front() = op(BPF_LDX | BPF_IMM, 1);
    program.back() = op(BPF_RET, 5);
    std::vector<bpf_insn> out;
    const auto result = translateCbpf(program, out);
    CHECK(result.ok() || result.error().code == Code::FilterTooLarge);
  }
  // A jump over almost the whole program.
  FilterProgram program(kMaxFilterInstructions, op(BPF_ALU | BPF_ADD | BPF_K, 1));
  program.front() = op(BPF_JMP | BPF_JA, kMaxFilterInstructions - 2);
  program.back() = op(BPF_RET, 5);
  support::EbpfMachine machine;
  CHECK(machine.run(translated(program), {}, 0, {}) == 5u);
}

TEST(theTableGivesTheRightVerdictInAllItsStates) {
  for (const bool acceptUnlisted : {true, false}) {
    for (const Direction direction : {Direction::Both, Direction::In, Direction::Out}) {
      FilterSpec spec;
      spec.snapshotLength = 99;
      spec.direction = direction;
      EbpfFilterModel ebpf(spec, acceptUnlisted);
      ebpf.list(7, ARPHRD_ETHER, false);
      ebpf.list(8, ARPHRD_ETHER, true);
      ebpf.list(1, ARPHRD_LOOPBACK, false);
      std::uint64_t expectedCount = 0;
      for (const std::uint32_t index : {7u, 8u, 1u, 9u, 0xffffffffu}) {
        for (const std::uint8_t type : {PACKET_HOST, PACKET_OTHERHOST, PACKET_OUTGOING}) {
          const bool leaving = type == PACKET_OUTGOING;
          const bool listed = index == 7 || index == 1;
          const bool unlisted = index > 8;
          bool expected = listed || (unlisted && acceptUnlisted);
          if (leaving ? direction == Direction::In : direction == Direction::Out) expected = false;
          if (index == 1 && leaving) expected = false;
          const std::uint32_t kept = unlisted ? kWholePacket : spec.snapshotLength;
          CHECK(run(ebpf, {}, packet(index, type, 1)) == (expected ? kept : 0));
          expectedCount += expected ? 1 : 0;
          CHECK(ebpf.accepted() == expectedCount);
        }
      }
    }
  }
}

TEST(bothFormsGiveTheSameVerdict) {
  Choices choices(12);
  int accepted = 0;
  for (int round = 0; round < 4000; ++round) {
    FilterSpec spec;
    spec.snapshotLength = 1 + choices.below(2000);
    spec.direction = static_cast<Direction>(choices.below(3));
    spec.filtered = !choices.oneIn(4);
    support::addRandomPrograms(choices, spec);
    // Interfaces 0 to 19, each with a fixed link type; the first half is refused.
    EbpfFilterModel ebpf(spec, true);
    IndexTable table{true, {}};
    std::vector<std::uint16_t> types;
    for (std::uint32_t index = 0; index < 20; ++index) {
      types.push_back(support::randomMetadata(choices).hardwareType);
      ebpf.list(index, types.back(), index < 10);
      if (index < 10) table.listed.push_back(index);
    }
    const auto classic = assembleCbpf(spec, table);
    CHECK(classic.ok() && !ebpf.code.empty());
    if (!classic.ok() || ebpf.code.empty()) continue;
    std::uint64_t count = 0;
    for (int i = 0; i < 8; ++i) {
      const Bytes bytes = choices.bytes(choices.below(60));
      PacketMetadata metadata = support::randomMetadata(choices);
      metadata.interfaceIndex = choices.below(20);
      metadata.hardwareType = types[metadata.interfaceIndex];
      const auto length = static_cast<std::uint32_t>(bytes.size());
      const std::uint32_t expected = support::passesTable(table, metadata.interfaceIndex)
                                         ? support::tailVerdict(spec, bytes, length, metadata)
                                         : 0;
      CHECK(runFilter(classic.value(), bytes, length, metadata) == expected);
      CHECK(run(ebpf, bytes, metadata) == expected);
      count += expected != 0 ? 1 : 0;
      CHECK(ebpf.accepted() == count);
    }
    accepted += static_cast<int>(count);
  }
  CHECK(accepted > 1000);
}

TEST(bothFormsGiveTheSameVerdictOnAddresses) {
  constexpr std::uint16_t kTypes[] = {ARPHRD_ETHER, ARPHRD_NONE, ARPHRD_LOOPBACK, 7};
  Choices choices(13);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 3000; ++round) {
    const support::AddressChoice chosen = support::randomAddresses(choices);
    FilterSpec spec;
    spec.snapshotLength = 1 + choices.below(2000);
    spec.addresses = chosen.filter();
    spec.filtered = choices.oneIn(4);
    support::addRandomPrograms(choices, spec);
    EbpfFilterModel ebpf(spec, true);
    for (std::uint32_t index = 0; index < std::size(kTypes); ++index) ebpf.list(index, kTypes[index], false);
    const auto classic = assembleCbpf(spec, {});
    CHECK(classic.ok() && validateFilter(classic.value()).ok() && !ebpf.code.empty());
    if (!classic.ok() || ebpf.code.empty()) continue;
    std::uint64_t count = 0;
    for (int i = 0; i < 10; ++i) {
      PacketMetadata metadata = support::randomMetadata(choices);
      metadata.interfaceIndex = choices.below(std::size(kTypes));
      metadata.hardwareType = kTypes[metadata.interfaceIndex];
      const std::uint16_t linkType = linkTypeOf(metadata.hardwareType);
      const Bytes bytes = support::randomPacket(choices, linkType);
      const auto length = static_cast<std::uint32_t>(bytes.size());
      const std::uint32_t expected = support::tailVerdict(spec, chosen, bytes, metadata);
      CHECK(runFilter(classic.value(), bytes, length, metadata) == expected);
      CHECK(run(ebpf, bytes, metadata) == expected);
      // The third form: user space.
      const bool passes = support::addressesPass(chosen, support::addressesOf(linkType, bytes));
      CHECK(!spec.addresses || spec.addresses->accepts(linkType, bytes, length) == passes);
      count += expected != 0 ? 1 : 0;
      CHECK(ebpf.accepted() == count);
      refused += passes ? 0 : 1;
    }
    accepted += static_cast<int>(count);
  }
  CHECK(accepted > 5000 && refused > 5000);
}

TEST(bothFormsGiveTheSameVerdictOnConnections) {
  constexpr std::uint16_t kTypes[] = {ARPHRD_ETHER, ARPHRD_NONE, ARPHRD_LOOPBACK, 7};
  Choices choices(14);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 3000; ++round) {
    const support::AddressChoice hosts =
        choices.oneIn(4) ? support::randomAddresses(choices) : support::AddressChoice{};
    const support::Connections chosen = support::randomConnections(choices, 16);
    FilterSpec spec;
    spec.snapshotLength = 1 + choices.below(2000);
    spec.addresses = hosts.filter();
    spec.connections = support::filterOf(chosen);
    spec.filtered = choices.oneIn(4);
    support::addRandomPrograms(choices, spec);
    EbpfFilterModel ebpf(spec, true, choices.oneIn(4));
    for (std::uint32_t index = 0; index < std::size(kTypes); ++index) ebpf.list(index, kTypes[index], false);
    const auto classic = assembleCbpf(spec, {});
    CHECK(classic.ok() && validateFilter(classic.value()).ok() && !ebpf.code.empty());
    if (!classic.ok() || ebpf.code.empty()) continue;
    std::uint64_t count = 0;
    for (int i = 0; i < 10; ++i) {
      PacketMetadata metadata = support::randomMetadata(choices);
      metadata.interfaceIndex = choices.below(std::size(kTypes));
      metadata.hardwareType = kTypes[metadata.interfaceIndex];
      const std::uint16_t linkType = linkTypeOf(metadata.hardwareType);
      const Bytes bytes = support::randomPacketAmong(choices, linkType, chosen);
      const auto length = static_cast<std::uint32_t>(bytes.size());
      const std::uint32_t expected = support::tailVerdict(spec, hosts, chosen, bytes, metadata);
      CHECK(runFilter(classic.value(), bytes, length, metadata) == expected);
      CHECK(run(ebpf, bytes, metadata) == expected);
      count += expected != 0 ? 1 : 0;
      CHECK(ebpf.accepted() == count);
      refused += support::connectionPasses(chosen, support::connectionOf(linkType, bytes)) ? 0 : 1;
    }
    accepted += static_cast<int>(count);
  }
  CHECK(accepted > 5000 && refused > 3000);
}

TEST(unknownInterfacesAreCountedWhileTheMapHasRoom) {
  FilterSpec spec;
  EbpfFilterModel ebpf(spec, true);
  for (std::uint32_t index = 0; index < 100; ++index) {
    CHECK(run(ebpf, {}, packet(index, PACKET_HOST, 1)) == kWholePacket);
  }
  CHECK(ebpf.accepted() == 64);  // the size of the map: further interfaces pass too, but are not counted
}
