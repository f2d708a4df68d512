// The classic mode of the socket filter, compared with the reference implementation (support/verdict.h): the interface
// table, the direction, the loopback rule, and the selection of the program by link type.
#include "core/bpf/cbpf_program.h"

#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <set>

#include "core/filter/filter_interpreter.h"
#include "support/check.h"
#include "support/random_filter.h"
#include "support/verdict.h"

using namespace ringtap;
using support::Choices;
using support::op;

namespace {

constexpr std::uint32_t kHighest = 0xffffffff;
constexpr std::uint32_t kSnapshot = 1234;

FilterSpec everything() {
  FilterSpec spec;
  spec.snapshotLength = kSnapshot;
  return spec;
}

std::uint32_t run(const FilterProgram& program, std::uint32_t index) {
  PacketMetadata metadata;
  metadata.interfaceIndex = index;
  return runFilter(program, {}, 0, metadata);
}

FilterProgram assemble(const FilterSpec& spec, const IndexTable& table) {
  auto program = assembleCbpf(spec, table);
  CHECK(program.ok());
  if (!program.ok()) return {op(BPF_RET, 0)};
  CHECK(validateFilter(*program).ok());
  return *program;
}

// Each listed index, its neighbours, the ends of the index range, and some others.
std::set<std::uint32_t> worthAsking(const IndexTable& table, Choices& choices) {
  std::set<std::uint32_t> indexes{0, 1, 2, 255, 256, 0x7fffffff, 0x80000000, kHighest - 1, kHighest};
  for (const std::uint32_t index : table.listed) {
    indexes.insert(index);
    indexes.insert(index - 1);
    indexes.insert(index + 1);
  }
  for (int i = 0; i < 64; ++i) indexes.insert(choices.any());
  return indexes;
}

IndexTable randomTable(Choices& choices, std::uint32_t count, std::uint32_t spread) {
  std::set<std::uint32_t> listed;
  while (listed.size() < count) listed.insert(spread == 0 ? choices.any() : choices.below(spread));
  return {choices.oneIn(2), {listed.begin(), listed.end()}};
}

}  // namespace

// Tested alone: through the program only verdicts can be seen, not which ranges were left out.
TEST(refusedIndexesBecomeRanges) {
  const auto refused = [](bool acceptUnlisted, std::vector<std::uint32_t> listed) {
    return refusedRanges({acceptUnlisted, std::move(listed)}, 1000);
  };
  using Ranges = std::vector<IndexRange>;
  CHECK(refused(true, {}) == Ranges{});
  CHECK(refused(true, {5}) == Ranges{{5, 5}});
  CHECK(refused(true, {0, 1, 2, 4, 6, 7}) == Ranges({{0, 2}, {4, 4}, {6, 7}}));
  CHECK(refused(true, {kHighest - 1, kHighest}) == Ranges{{kHighest - 1, kHighest}});
  CHECK(refused(true, {0, kHighest}) == Ranges({{0, 0}, {kHighest, kHighest}}));
  CHECK(refused(false, {}) == Ranges{{0, kHighest}});
  CHECK(refused(false, {0}) == Ranges{{1, kHighest}});
  CHECK(refused(false, {kHighest}) == Ranges{{0, kHighest - 1}});
  CHECK(refused(false, {3, 4, 6}) == Ranges({{0, 2}, {5, 5}, {7, kHighest}}));
}

TEST(aLimitKeepsTheWidestRangesInOrder) {
  const IndexTable table{true, {1, 3, 4, 5, 7, 9, 10}};
  CHECK(refusedRanges(table, 4).size() == 4);
  CHECK(refusedRanges(table, 2) == std::vector<IndexRange>({{3, 5}, {9, 10}}));
  CHECK(refusedRanges(table, 1) == std::vector<IndexRange>({{3, 5}}));
  CHECK(refusedRanges(table, 0).empty());
}

TEST(everyTableGivesTheRightVerdicts) {
  Choices choices(1);
  for (const std::uint32_t count :
       {0u, 1u, 2u, 3u, 10u, 100u, 126u, 127u, 128u, 129u, 254u, 255u, 256u, 257u, 500u, 1000u, 1300u, 2000u}) {
    for (const std::uint32_t spread : {0u, 5000u}) {
      const IndexTable table = randomTable(choices, count, spread);
      const FilterProgram program = assemble(everything(), table);
      CHECK(program.size() <= kMaxFilterInstructions);
      const bool fits = count <= 1000;  // each takes two leaves and two comparisons
      for (const std::uint32_t index : worthAsking(table, choices)) {
        const bool accepted = run(program, index) == kSnapshot;
        const bool passes = support::passesTable(table, index);
        CHECK(fits ? accepted == passes : accepted || !passes);
      }
    }
  }
}

TEST(manySmallTablesGiveTheRightVerdicts) {
  Choices choices(2);
  for (int round = 0; round < 2000; ++round) {
    const IndexTable table = randomTable(choices, choices.below(24), 40);
    const FilterProgram program = assemble(everything(), table);
    for (std::uint32_t index = 0; index < 42; ++index) {
      CHECK((run(program, index) == kSnapshot) == support::passesTable(table, index));
    }
    CHECK((run(program, kHighest) == kSnapshot) == table.acceptUnlisted);
  }
}

TEST(aSearchTreeIsBalanced) {
  // A linear chain would need one comparison per index.
  Choices choices(3);
  const FilterProgram program = assemble(everything(), randomTable(choices, 1000, 0));
  std::vector<std::uint32_t> depth(program.size(), 0);
  std::uint32_t deepest = 0;
  for (std::size_t i = 0; i < program.size(); ++i) {
    const FilterInstruction& each = program[i];
    deepest = std::max(deepest, depth[i]);
    const auto reach = [&](std::size_t to) {
      CHECK(to < program.size());
      if (to < program.size()) depth[to] = std::max(depth[to], depth[i] + 1);
    };
    if (BPF_CLASS(each.code) == BPF_RET) continue;
    if (each.code == (BPF_JMP | BPF_JA)) {
      reach(i + 1 + each.k);
    } else if (BPF_CLASS(each.code) == BPF_JMP) {
      reach(i + 1 + each.jt);
      reach(i + 1 + each.jf);
    } else {
      reach(i + 1);
    }
  }
  CHECK(deepest < 40);
}

TEST(aTableThatDoesNotFitLosesNoPacket) {
  Choices choices(4);
  for (const bool acceptUnlisted : {true, false}) {
    IndexTable table{acceptUnlisted, {}};
    for (std::uint32_t i = 0; i < 2000; ++i) table.listed.push_back(10 + i * 5 + choices.below(4));
    const FilterProgram program = assemble(everything(), table);
    CHECK(program.size() <= kMaxFilterInstructions);
    int wronglyAccepted = 0;
    for (const std::uint32_t index : worthAsking(table, choices)) {
      const bool accepted = run(program, index) == kSnapshot;
      // The filter must not lose packets; it may accept some that user space refuses.
      if (support::passesTable(table, index)) CHECK(accepted);
      else wronglyAccepted += accepted ? 1 : 0;
    }
    CHECK(wronglyAccepted > 0);
  }
}

TEST(theFilterOfTheUserMustFit) {
  FilterSpec spec = everything();
  spec.filtered = true;
  spec.programs.push_back({kLinkTypeEthernet, FilterProgram(4090, op(BPF_LD | BPF_IMM, 1)), {}});
  spec.programs.back().instructions.back() = op(BPF_RET, kSnapshot);
  const auto program = assembleCbpf(spec, {true, {1, 2, 5}});
  CHECK(!program.ok() && program.error().code == Code::FilterTooLarge);
  // A filter of maximum size leaves no room for a table, so all interfaces pass.
  spec.programs.back().instructions.resize(4090 - 20, op(BPF_RET, kSnapshot));
  for (std::size_t length = 4070; length < 4090; ++length) {
    spec.programs.back().instructions.assign(length, op(BPF_LD | BPF_IMM, 1));
    spec.programs.back().instructions.back() = op(BPF_RET, kSnapshot);
    const auto tight = assembleCbpf(spec, {true, {1, 3, 5, 7, 9}});
    if (!tight.ok()) {
      CHECK(tight.error().code == Code::FilterTooLarge);
      continue;
    }
    CHECK(validateFilter(tight.value()).ok() && run(tight.value(), 2) == kSnapshot);
  }
}

TEST(directionsAndLoopbackAreDistinguished) {
  for (const Direction direction : {Direction::Both, Direction::In, Direction::Out}) {
    FilterSpec spec = everything();
    spec.direction = direction;
    const FilterProgram program = assemble(spec, {true, {}});
    for (const std::uint8_t type :
         {PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_OUTGOING}) {
      for (const std::uint16_t hardware : {ARPHRD_ETHER, ARPHRD_LOOPBACK, ARPHRD_NONE}) {
        PacketMetadata metadata;
        metadata.packetType = type;
        metadata.hardwareType = hardware;
        const bool leaving = type == PACKET_OUTGOING;
        const bool expected =
            leaving ? direction != Direction::In && hardware != ARPHRD_LOOPBACK : direction != Direction::Out;
        CHECK((runFilter(program, {}, 0, metadata) == kSnapshot) == expected);
      }
    }
  }
}

TEST(theLinkTypeDecidesWhichProgramRuns) {
  FilterSpec spec = everything();
  spec.filtered = true;
  for (const auto& [linkType, answer] :
       {std::pair{kLinkTypeRaw, 101u}, {kLinkTypeEthernet, 1u}, {std::uint16_t{127}, 127u}}) {
    // Registers and memory must have the initial state of a separate program, whatever ran before.
    spec.programs.push_back(
        {linkType,
         {op(BPF_MISC | BPF_TXA), support::jump(BPF_JEQ | BPF_K, 0, 1, 0), op(BPF_RET, 7), op(BPF_RET, answer)},
         {}});
  }
  const FilterProgram program = assemble(spec, {true, {9}});
  for (std::uint32_t hardware = 0; hardware <= 0xffff; ++hardware) {
    PacketMetadata metadata;
    metadata.hardwareType = static_cast<std::uint16_t>(hardware);
    const std::uint16_t linkType = linkTypeOf(metadata.hardwareType);
    const std::uint32_t expected = linkType == 1 || linkType == 101 || linkType == 127 ? linkType : 0;
    CHECK(runFilter(program, {}, 0, metadata) == expected);
  }
  spec.programs.clear();
  CHECK(run(assemble(spec, {true, {}}), 1) == 0);
}

TEST(randomSpecsGiveTheRightVerdicts) {
  Choices choices(5);
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    FilterSpec spec = everything();
    spec.direction = static_cast<Direction>(choices.below(3));
    spec.filtered = !choices.oneIn(4);
    support::addRandomPrograms(choices, spec);
    const IndexTable table = randomTable(choices, choices.below(20), 40);
    const FilterProgram program = assemble(spec, table);
    for (int i = 0; i < 8; ++i) {
      const auto bytes = choices.bytes(choices.below(60));
      const PacketMetadata metadata = support::randomMetadata(choices);
      const auto length = static_cast<std::uint32_t>(bytes.size());
      const std::uint32_t expected = support::passesTable(table, metadata.interfaceIndex)
                                         ? support::tailVerdict(spec, bytes, length, metadata)
                                         : 0;
      CHECK(runFilter(program, bytes, length, metadata) == expected);
      accepted += expected != 0 ? 1 : 0;
    }
  }
  CHECK(accepted > 1000);
}
