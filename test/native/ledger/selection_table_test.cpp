// Which packets the verdicts deliver or refuse, and that the ledger balances, on blocks not filled by a kernel.
#include "core/ledger/selection_table.h"

#include <map>

#include "support/check.h"
#include "support/choices.h"
#include "support/selection_fixture.h"

using namespace ringtap;
using support::Block;
using support::device;
using support::event;
using support::Indexes;
using support::packetsOf;
using support::RecordingKernel;
using support::SelectionFixture;

TEST(verdictsBeforeTheStartHoldFromTheFirstPacket) {
  SelectionFixture fixture;
  fixture.add(device(1, 1));
  fixture.add(device(2, 2));
  CHECK(fixture.decide(1, 1, 0, true) && fixture.decide(2, 2, 0, false));
  CHECK(fixture.kernel->verdicts.at(1) && !fixture.kernel->verdicts.at(2));
  Block block = packetsOf({1, 2, 1, 2, 2});
  TakenBlock taken = fixture.take(block);
  CHECK(taken.summary.packets == 2 && !taken.pending && taken.epoch == 0 && taken.records == 5);
  fixture.checkBalance(5);
  CHECK(fixture.handOut(block, taken) == Indexes({1, 1}));
  fixture.checkBalance(5);
  CHECK(fixture.unknown.empty());
}

TEST(packetsOfAnUndecidedInterfaceWaitForItsVerdict) {
  for (const bool selected : {true, false}) {
    SelectionFixture fixture;
    fixture.add(device(1, 1));
    fixture.decide(1, 1, 0, true);
    Block block = packetsOf({7, 1, 7, 8, 1, 7});
    TakenBlock taken = fixture.take(block);
    CHECK(fixture.unknown == Indexes({7, 8}) && taken.pending && taken.epoch == 2 && taken.summary.packets == 6);
    CHECK(fixture.table.stats().queued == 6);
    CHECK(fixture.decide(7, 100, 1, selected) && fixture.decide(8, 101, 2, !selected));
    CHECK(fixture.handOut(block, taken) == (selected ? Indexes({7, 1, 7, 1, 7}) : Indexes({1, 8, 1})));
    fixture.checkBalance(6);
    CHECK(fixture.kernel->verdicts.at(7) == selected && fixture.kernel->verdicts.at(8) != selected);
  }
}

TEST(withoutHotplugLaterInterfacesAreUnselected) {
  SelectionFixture fixture(false);
  Block block = packetsOf({7, 7});
  TakenBlock taken = fixture.take(block);
  CHECK(!taken.pending && taken.summary.packets == 0 && fixture.handOut(block, taken).empty());
  fixture.checkBalance(2);
}

TEST(malformedRecordsAreCounted) {
  SelectionFixture fixture;
  fixture.add(device(1, 1));
  fixture.decide(1, 1, 0, true);
  Block block = packetsOf({1, 1, 1});
  block.record(1).tp_mac = 0;
  TakenBlock taken = fixture.take(block);
  CHECK(taken.records == 3 && fixture.handOut(block, taken).size() == 1);
  CHECK(fixture.table.stats().malformed == 2);
  fixture.checkBalance(3);
}

TEST(manyInterfacesAreCountedInAnyOrder) {
  support::Choices choices(41);
  SelectionFixture fixture;
  std::map<std::uint32_t, bool> wanted;
  std::uint64_t received = 0;
  std::map<std::uint32_t, std::uint64_t> delivered, expected;
  for (int round = 0; round < 300; ++round) {
    Indexes indexes;
    for (std::uint32_t i = choices.below(30); i > 0; --i) indexes.push_back(choices.below(600));
    Block block = packetsOf(indexes);
    fixture.unknown.clear();
    const std::uint64_t epoch = fixture.book.epoch();
    TakenBlock taken = fixture.take(block);
    for (std::size_t i = 0; i < fixture.unknown.size(); ++i) {
      const std::uint32_t index = fixture.unknown[i];
      CHECK(wanted.emplace(index, choices.oneIn(2)).second);
      const auto generation = static_cast<std::uint32_t>(fixture.nextGeneration - fixture.unknown.size() + i);
      CHECK(fixture.decide(index, generation, epoch + 1 + i, wanted[index]));
    }
    for (const std::uint32_t index : indexes) expected[index] += wanted[index] ? 1 : 0;
    for (const std::uint32_t index : fixture.handOut(block, taken)) ++delivered[index];
    received += indexes.size();
  }
  std::erase_if(expected, [](const auto& entry) { return entry.second == 0; });
  CHECK(delivered == expected);
  fixture.checkBalance(received);
}

TEST(devicesRemovedAtOnceKeepTheirIndexForTheirLastPackets) {
  SelectionFixture fixture;
  constexpr std::uint32_t count = 3000;
  std::vector<InterfaceEvent> removed;
  for (std::uint32_t index = 1; index <= count; ++index) {
    fixture.add(device(index, index));
    fixture.decide(index, index, 0, true);
    removed.push_back(support::event(InterfaceChange::Removed, device(index, index)));
  }
  fixture.apply(removed, 0, {10});
  Block block = packetsOf({1, 2, count});
  TakenBlock taken = fixture.take(block, 5);
  CHECK(fixture.handOut(block, taken) == Indexes({1, 2, count}));
  CHECK(fixture.table.stats().delivered == 3);
  // Once the ring is beyond them, the next removal makes room.
  Block later = packetsOf({count});
  TakenBlock second = fixture.take(later, 11);
  CHECK(fixture.handOut(later, second).size() == 1 && fixture.table.knows(1));
  fixture.add(device(count + 1, count + 1));
  fixture.apply({support::event(InterfaceChange::Removed, device(count + 1, count + 1))}, 0, {10});
  CHECK(!fixture.table.knows(1) && fixture.table.knows(count));
}

TEST(duplicatesAreFoundByTopology) {
  for (const bool dedupe : {true, false}) {
    SelectionFixture fixture(true, {}, false, dedupe);
    auto bridge = device(10, 1, "br0");
    bridge.kind = "bridge";
    auto first = device(1, 2, "va");
    auto second = device(2, 3, "vb");
    first.master = second.master = 10;
    fixture.add(bridge);
    fixture.add(first);
    fixture.add(second);
    // Two packets: from va to vb and the host, and from the host to vb.
    const auto crossing = [] {
      return Block::of({{.index = 1},
                        {.index = 2, .packetType = kPacketOutgoing},
                        {.index = 10},
                        {.index = 10, .packetType = kPacketOutgoing},
                        {.index = 2, .packetType = kPacketOutgoing}});
    };
    const Indexes all{1, 2, 10, 10, 2};
    const auto seen = [&] {
      Block block = crossing();
      TakenBlock taken = fixture.take(block);
      return fixture.handOut(block, taken);
    };
    CHECK(seen() == all);  // no decision yet
    for (const auto& info : {bridge, first, second}) CHECK(fixture.decide(info.index, info.generation, 0, true));
    CHECK(fixture.commit().ok());
    CHECK(((fixture.kernel->relations[2].flags & kDedupeAllOut) != 0) == dedupe);
    CHECK(seen() == all);  // may predate the decision
    fixture.table.use(std::make_unique<RecordingKernel>(), [] { return RingPosition{}; });
    CHECK(seen() == (dedupe ? Indexes{1, 10} : all));
    fixture.checkBalance(15);
    CHECK(fixture.table.stats().duplicates == (dedupe ? 3 : 0));
    std::map<std::uint32_t, std::uint64_t> duplicates;
    for (const auto& one : fixture.table.stats().interfaces) duplicates[one.index] = one.duplicates;
    CHECK((duplicates == std::map<std::uint32_t, std::uint64_t>{{1, 0}, {2, dedupe ? 2 : 0}, {10, dedupe ? 1 : 0}}));

    second.master = 0;  // vb leaves the bridge: the host's packets to it are seen nowhere else
    fixture.apply({event(InterfaceChange::Changed, second)}, 0, {});
    CHECK(seen() == (dedupe ? Indexes{1, 2, 10, 2} : all));
  }
}

TEST(aSelectionInTheCoreDecidesWithTheEvent) {
  auto compiled = InterfaceSelection::byPatterns({"^eth"}, {"9$"}, false);
  CHECK(compiled.ok());
  InterfaceBook book;
  SelectionTable table({}, true, false, std::make_shared<const InterfaceSelection>(std::move(*compiled)));
  auto fake = std::make_unique<RecordingKernel>();
  const RecordingKernel& kernel = *fake;
  table.use(std::move(fake), [] { return RingPosition{}; });
  CHECK(table.add(book.add(device(1, 1, "eth1"))) == Verdict::Selected);
  CHECK(table.add(book.add(device(2, 2, "eth9"))) == Verdict::Unselected);
  const auto apply = [&](const std::vector<InterfaceEvent>& events) {
    return table.apply(book.enter(events, {1, {1}}), {1, {1}});
  };
  const auto applied = apply(
      {event(InterfaceChange::Added, device(3, 3, "eth3")), event(InterfaceChange::Renamed, device(1, 1, "lan1")),
       event(InterfaceChange::Changed, device(3, 3, "eth3")), event(InterfaceChange::Renamed, device(2, 2, "eth2"))});
  CHECK(applied[0].selected == true && applied[1].selected == false && !applied[2].selected);
  CHECK(applied[3].selected == true);
  CHECK((kernel.verdicts == std::map<std::uint32_t, bool>{{1, false}, {2, true}, {3, true}}));
}
