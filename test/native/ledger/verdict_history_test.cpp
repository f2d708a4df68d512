// Verdicts over time: a packet is judged by the verdict that its interface had when the packet was received, across
// renames, removals, and devices that use an index again.
#include "core/ledger/verdict_history.h"

#include <net/if.h>

#include <map>

#include "support/check.h"
#include "support/selection_fixture.h"

using namespace ringtap;
using support::Block;
using support::device;
using support::event;
using support::Indexes;
using support::MadeRecord;
using support::packetsOf;
using support::SelectionFixture;

TEST(aVerdictHoldsForTheTimeOfItsEvent) {
  SelectionFixture fixture;
  fixture.add(device(1, 1, "eth0"));
  fixture.decide(1, 1, 0, true);
  Block before = packetsOf({1});
  TakenBlock early = fixture.take(before, 1);
  fixture.apply({event(InterfaceChange::Renamed, device(1, 1, "veth0"))}, 0, {1});
  Block between = packetsOf({1, 1});
  TakenBlock middle = fixture.take(between, 2);
  fixture.apply({event(InterfaceChange::Renamed, device(1, 1, "eth0"))}, 0, {2});
  Block after = packetsOf({1, 1, 1});
  TakenBlock late = fixture.take(after, 3);
  CHECK(early.epoch == 0 && middle.epoch == 1 && late.epoch == 2 && middle.pending && late.pending);
  // The name veth0 is not selected; the decisions arrive late and all together.
  fixture.decide(1, 1, 1, false);
  fixture.decide(1, 1, 2, true);
  CHECK(fixture.handOut(before, early).size() == 1);
  CHECK(fixture.handOut(between, middle).empty());
  CHECK(fixture.handOut(after, late).size() == 3);
  fixture.checkBalance(6);
  CHECK(fixture.table.stats().delivered == 4 && fixture.table.stats().unselected == 2);
}

TEST(aRenameWithinABlockDividesItByTime) {
  SelectionFixture fixture;
  fixture.add(device(1, 1));
  fixture.decide(1, 1, 0, true);
  std::vector<MadeRecord> records(5);
  for (std::uint32_t i = 0; i < 5; ++i) {
    records[i].seconds = 100 + i;
    records[i].bytes = {static_cast<std::uint8_t>(i)};
  }
  records[2].index = 7;
  Block block = Block::of(records);
  const auto numbers = [&](const TakenBlock& taken) {
    std::vector<int> numbers;
    walkIndex(block.data(), taken.summary.packets, [&](const Record& record) { numbers.push_back(*record.data()); });
    return numbers;
  };
  // The events are read when the unknown device is found: all packets here are older than the events.
  TakenBlock taken = fixture.table.take(block.data(), block.size(), {0, 1}, [&](std::uint32_t) {
    fixture.apply({event(InterfaceChange::Renamed, device(1, 1, "other")), event(InterfaceChange::Added, device(7, 2))},
                  105'000'000'000, {2});
  });
  CHECK(taken.pending && taken.epoch == 2 && taken.shares.size() == 2);
  fixture.decide(1, 1, 1, false);
  fixture.decide(7, 2, 2, true);
  CHECK(fixture.handOut(block, taken) == (Indexes{1, 1, 7, 1, 1}));
  fixture.checkBalance(5);

  // A block with packets from before, during and after the other name.
  records[2].index = 1;
  for (MadeRecord& record : records) record.seconds += 4;
  block.fill(records);
  fixture.apply({event(InterfaceChange::Renamed, device(1, 1, "eth"))}, 107'000'000'000, {2});
  TakenBlock mixed = fixture.take(block, 2);
  CHECK(mixed.pending && mixed.shares.size() == 3);
  fixture.decide(1, 1, 3, true);
  CHECK(fixture.handOut(block, mixed).size() == 3 && numbers(mixed) == (std::vector<int>{0, 3, 4}));
  CHECK(fixture.table.stats().unselected == 2);
  fixture.checkBalance(10);
}

TEST(packetsOfARemovedDeviceKeepItsVerdict) {
  SelectionFixture fixture;
  fixture.add(device(1, 1));
  fixture.decide(1, 1, 0, true);
  fixture.apply({event(InterfaceChange::Removed, device(1, 1))}, 0, {1});
  CHECK(!fixture.kernel->verdicts.contains(1));
  Block block = packetsOf({1, 1});
  TakenBlock taken = fixture.take(block);
  CHECK(fixture.unknown == Indexes({1}) && fixture.handOut(block, taken).size() == 2);
  // The next device with the index has its own ledger and verdict.
  fixture.apply({event(InterfaceChange::Added, device(1, 2))}, 0, {1});
  CHECK(!fixture.decide(1, 1, 0, true));
  CHECK(fixture.decide(1, 2, fixture.book.epoch(), false));
  Block next = packetsOf({1});
  TakenBlock second = fixture.take(next);
  CHECK(fixture.handOut(next, second).empty());
  fixture.checkBalance(3);
  const auto stats = fixture.table.stats();
  CHECK(stats.interfaces.size() == 2 && !stats.interfaces[0].present && stats.interfaces[0].delivered == 2);
  CHECK(stats.interfaces[1].unselected == 1);
}

TEST(aLateRemovalDoesNotAffectTheNextDeviceOfTheIndex) {
  SelectionFixture fixture;
  fixture.apply({event(InterfaceChange::Added, device(1, 1)), event(InterfaceChange::Added, device(1, 2)),
                 event(InterfaceChange::Removed, device(1, 1))},
                0, {1});
  CHECK(fixture.kernel->verdicts.contains(1) && fixture.decide(1, 2, 2, true));
}

TEST(packetsWaitingWhileTheirDeviceReturnsAreDelivered) {
  for (const std::uint64_t number : {10u, 11u}) {
    SelectionFixture fixture;
    fixture.kernel->counting = true;
    fixture.add(device(5, 1));
    CHECK(fixture.decide(5, 1, 0, true));
    fixture.kernel->counts[5] = 4;
    // Moves to another namespace and back twice, with some packets each time, before the block is handed over.
    fixture.apply({event(InterfaceChange::Removed, device(5, 1)), event(InterfaceChange::Added, device(5, 2))}, 0,
                  {10});
    fixture.kernel->counts[5] = 2;
    fixture.apply({event(InterfaceChange::Removed, device(5, 2)), event(InterfaceChange::Added, device(5, 3))}, 0,
                  {10});
    fixture.kernel->counts[5] = 3;
    CHECK(fixture.decide(5, 3, 4, true));
    const bool late = number > 10;  // no earlier packets can follow: those of the first two were dropped
    Block block = packetsOf(late ? Indexes(3, 5) : Indexes(9, 5));
    TakenBlock taken = fixture.take(block, number);
    CHECK(fixture.handOut(block, taken).size() == (late ? 3 : 9));
    std::map<std::uint32_t, InterfaceStats> byGeneration;
    for (InterfaceStats& one : fixture.table.stats().interfaces) byGeneration[one.generation] = one;
    CHECK(byGeneration[1].received == (late ? 4 : 0) && byGeneration[1].taken == 0);
    CHECK(byGeneration[2].received == (late ? 2 : 0) && byGeneration[2].taken == 0);
    CHECK(byGeneration[3].received == (late ? 3 : 9) && byGeneration[3].delivered == (late ? 3 : 9));
    // The third is removed as well, with the counts it inherited.
    fixture.apply({event(InterfaceChange::Removed, device(5, 3))}, 0, {20});
    for (const InterfaceStats& one : fixture.table.stats().interfaces) {
      if (one.generation == 3) CHECK(one.received == (late ? 3 : 9));
    }
  }
}

TEST(aNameGivenWhileDownDecidesOnAllLaterPackets) {
  for (const bool decided : {false, true}) {
    SelectionFixture fixture;
    auto info = device(7, 1, "tmp1");
    info.flags = 0;
    fixture.apply({event(InterfaceChange::Added, info)}, 100, {10});
    if (decided) CHECK(fixture.decide(7, 1, 1, false));
    CHECK(fixture.kernel->verdicts.at(7));  // it may be renamed before it receives a packet
    info.name = "veth1";
    fixture.apply({event(InterfaceChange::Renamed, info)}, ~std::uint64_t{0} - 1, {10});
    // The first packet precedes the event that the device is up: the event is read first.
    Block block = packetsOf({7, 7});
    TakenBlock taken = fixture.table.take(block.data(), block.size(), {0, 5}, [&](std::uint32_t index) {
      CHECK(index == 7 && info.flags == 0);
      info.flags = IFF_UP;
      fixture.apply({event(InterfaceChange::Changed, info)}, ~std::uint64_t{0} - 1, {10});
    });
    CHECK(fixture.decide(7, 1, 2, true) && fixture.kernel->verdicts.at(7));
    if (!decided) CHECK(fixture.decide(7, 1, 1, false));
    CHECK(fixture.handOut(block, taken) == Indexes({7, 7}));
    fixture.checkBalance(2);
  }
}

TEST(aRefusedDeviceThatIsDownIsRefusedOnceItIsUp) {
  for (const bool hotplug : {true, false}) {
    SelectionFixture fixture(hotplug);
    auto info = device(7, 1);
    info.flags = 0;
    fixture.add(info);
    CHECK(fixture.decide(7, 1, 0, false));
    CHECK(fixture.kernel->verdicts.at(7) == hotplug);  // without hotplug no rename can change the verdict
    info.flags = IFF_UP;
    fixture.apply({event(InterfaceChange::Changed, info)}, 100, {10});
    CHECK(!fixture.kernel->verdicts.at(7));
    info.flags = 0;
    fixture.apply({event(InterfaceChange::Changed, info)}, 200, {10});
    CHECK(fixture.kernel->verdicts.at(7) == hotplug);
  }
}

// The clock may be set back by any amount: packets of later blocks count as later, whatever their timestamps.
TEST(packetTimesDecideOnlyWithinTheRing) {
  constexpr std::uint64_t kLater = ~std::uint64_t{0} - 1;
  {
    SelectionFixture fixture;
    fixture.add(device(1, 1, "eth0"));
    fixture.decide(1, 1, 0, false);
    fixture.apply({event(InterfaceChange::Renamed, device(1, 1, "lan0"))}, kLater, {10});
    fixture.decide(1, 1, 1, true);
    Block within = packetsOf({1, 1});
    TakenBlock before = fixture.take(within, 10);
    CHECK(fixture.handOut(within, before).empty());
    Block beyond = packetsOf({1, 1});
    TakenBlock after = fixture.take(beyond, 11);
    CHECK(fixture.handOut(beyond, after).size() == 2);
    fixture.checkBalance(4);
  }
  SelectionFixture fixture(true, {}, false, true);
  auto near = device(1, 1);
  auto far = device(2, 2);
  near.kind = far.kind = "veth";
  near.peerIndex = 2;
  far.peerIndex = 1;
  fixture.add(near);
  fixture.add(far);
  for (const auto& info : {near, far}) {
    CHECK(fixture.table.decide(info.id(), 0, true, {kLater, {10}}));
  }
  CHECK(fixture.table.commit({kLater, {10}}).ok());
  const auto seenIn = [&](std::uint64_t number) {
    Block block = Block::of({{.index = 1, .packetType = kPacketOutgoing}, {.index = 2}});
    TakenBlock taken = fixture.take(block, number);
    return fixture.handOut(block, taken);
  };
  CHECK(seenIn(10) == Indexes({1, 2}));
  CHECK(seenIn(11) == Indexes({1}));
}
