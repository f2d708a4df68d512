// For any table, filter, address sets and connections, both forms of the socket filter must return the verdict of the
// reference implementation: for every listed index, its neighbours, and random indexes and packets.
#include <algorithm>
#include <set>

#include "core/bpf/cbpf_program.h"
#include "core/filter/filter_interpreter.h"
#include "fuzz.h"
#include "support/ebpf_filter.h"
#include "support/random_filter.h"

using namespace ringtap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  support::Choices choices(data, size);
  FilterSpec spec;
  spec.snapshotLength = 1 + choices.below(255);
  spec.direction = static_cast<Direction>(choices.below(3));
  spec.filtered = choices.oneIn(2);
  const support::AddressChoice chosen =
      choices.oneIn(2) ? support::randomAddresses(choices, 40) : support::AddressChoice{};
  spec.addresses = chosen.filter();
  const support::Connections excluded =
      choices.oneIn(2) ? support::randomConnections(choices, 24) : support::Connections{};
  spec.connections = support::filterOf(excluded);
  for (const std::uint16_t linkType : {kLinkTypeEthernet, kLinkTypeRaw}) {
    FilterProgram program = support::randomProgram(choices, true);
    if (validateFilter(program).ok()) spec.programs.push_back({linkType, std::move(program), {}});
  }
  std::set<std::uint32_t> listed;
  const bool wide = choices.oneIn(2);
  while (!choices.spent() && listed.size() < 2500) listed.insert(wide ? choices.any() : choices.below(4096));
  const IndexTable table{(size & 1) != 0, {listed.begin(), listed.end()}};

  const auto ranges = refusedRanges(table, 1 << 20);
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    EXPECT(ranges[i - 1].first <= ranges[i - 1].last && ranges[i].first > ranges[i - 1].last + 1);
  }
  const auto program = assembleCbpf(spec, table);
  EXPECT(program.ok() && program.value().size() <= kMaxFilterInstructions);
  EXPECT(validateFilter(program.value()).ok());
  // A range takes four instructions; the rest takes at most 200 without address sets and connections, 2200
  // with address sets, 1000 with connections.
  const bool thinned = ranges.size() > (spec.addresses && spec.connections ? 200
                                        : spec.addresses                   ? 450
                                        : spec.connections                 ? 750
                                                                           : 950);

  support::Choices packets(static_cast<std::uint32_t>(size));
  const auto check = [&](std::uint32_t index) {
    PacketMetadata metadata = support::randomMetadata(packets);
    metadata.interfaceIndex = index;
    const std::uint16_t linkType = linkTypeOf(metadata.hardwareType);
    // The reference does not parse wireless frames.
    if ((spec.addresses || spec.connections) && linkType != kLinkTypeEthernet && linkType != kLinkTypeRaw)
      metadata.hardwareType = 7;
    const auto bytes = spec.connections && packets.oneIn(2) ? support::randomPacketAmong(packets, linkType, excluded)
                       : spec.addresses && packets.oneIn(2) ? support::randomPacket(packets, linkType)
                                                            : packets.bytes(packets.below(40));
    const auto length = static_cast<std::uint32_t>(bytes.size());
    const bool passes = (listed.contains(index)) != table.acceptUnlisted;
    const std::uint32_t tail = support::tailVerdict(spec, chosen, excluded, bytes, metadata);
    const std::uint32_t verdict = runFilter(program.value(), bytes, length, metadata);
    EXPECT(verdict == (passes ? tail : 0) || (thinned && verdict == tail));

    // No other device is listed, so no packet is a duplicate.
    support::EbpfFilterModel form(spec, table.acceptUnlisted, (size & 2) != 0);
    EXPECT(!form.code.empty());
    form.list(index, metadata.hardwareType, !passes);
    const auto same = form.machine.run(form.code, bytes, length, metadata);
    EXPECT(same == (passes ? tail : 0) && form.accepted() == (passes && tail != 0 ? 1 : 0));
  };
  std::size_t some = 0;
  for (const std::uint32_t index : listed) {
    if (++some > 12) break;
    for (const std::uint32_t each : {index - 1, index, index + 1}) check(each);
  }
  for (int i = 0; i < 8; ++i) check(packets.value());
  for (const std::uint32_t each : {0u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) check(each);
  // Checks every listed index in the classic mode only: the eBPF mode would take too long.
  for (const std::uint32_t index : listed) {
    PacketMetadata metadata;
    metadata.interfaceIndex = index;
    const std::uint32_t tail = support::tailVerdict(spec, chosen, excluded, {}, metadata);
    const std::uint32_t verdict = runFilter(program.value(), {}, 0, metadata);
    EXPECT(verdict == (table.acceptUnlisted ? 0 : tail) || (thinned && verdict == tail));
  }
  return 0;
}
