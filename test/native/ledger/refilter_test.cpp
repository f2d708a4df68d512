// Packets that the kernel accepted under an older filter, or without one, are filtered again in user space.
#include "core/ledger/refilter.h"

#include <linux/filter.h>

#include "support/check.h"
#include "support/random_filter.h"
#include "support/selection_fixture.h"

using namespace ringtap;
using support::Block;
using support::device;
using support::event;
using support::Indexes;
using support::MadeRecord;
using support::packetsOf;
using support::SelectionFixture;

TEST(packetsAcceptedUnderAnOlderFilterAreFilteredAgain) {
  FilterSpec spec;
  spec.filtered = true;
  spec.programs.push_back({kLinkTypeEthernet,
                           {support::op(BPF_LD | BPF_B | BPF_ABS, 0), support::jump(BPF_JEQ | BPF_K, 9, 0, 1),
                            support::op(BPF_RET, 100), support::op(BPF_RET, 0)},
                           {}});
  for (const bool unfiltered : {true, false}) {
    SelectionFixture fixture(true, spec, unfiltered);
    fixture.ringPosition = {5};
    std::vector<MadeRecord> records(4);
    for (auto& record : records) record.index = 7;
    records[1].bytes = {9};
    records[2].bytes = {};  // shorter than the filter's load
    records[3].hardwareType = 0xffff;
    Block block = Block::of(records);
    TakenBlock taken = fixture.take(block, 5);
    fixture.decide(7, 100, 1, true);
    CHECK(fixture.handOut(block, taken).size() == (unfiltered ? 1 : 4));
    CHECK(fixture.table.stats().lateRefused == (unfiltered ? 3 : 0));
    fixture.checkBalance(4);
    // The packets of later blocks have passed the new filter in the kernel.
    Block later = Block::of(records);
    TakenBlock second = fixture.take(later, 6);
    CHECK(fixture.handOut(later, second).size() == 4);
    fixture.checkBalance(8);
  }
}

TEST(anEnforcedFilterAppliesToQueuedBlocks) {
  SelectionFixture fixture;
  fixture.add(device(1, 1));
  fixture.decide(1, 1, 0, true);
  Block first = packetsOf({1, 1});
  Block second = packetsOf({1, 1, 1});
  TakenBlock one = fixture.take(first, 1);
  TakenBlock two = fixture.take(second, 2);
  FilterSpec nothing;
  nothing.filtered = true;
  fixture.ringPosition = {1};
  CHECK(fixture.table.replaceFilter(nothing).ok());
  fixture.table.enforceFilter();
  CHECK(fixture.handOut(first, one).empty());
  CHECK(fixture.handOut(second, two).size() == 3);
  CHECK(fixture.table.stats().lateRefused == 2);
  fixture.checkBalance(5);
}

// Accepts packets whose byte at 8 is 9.
static FilterSpec lateByte() {
  FilterSpec spec;
  spec.filtered = true;
  spec.programs.push_back({kLinkTypeEthernet,
                           {support::op(BPF_LD | BPF_B | BPF_ABS, 8), support::jump(BPF_JEQ | BPF_K, 9, 0, 1),
                            support::op(BPF_RET, 100), support::op(BPF_RET, 0)},
                           {}});
  return spec;
}

TEST(aPacketCutBeforeWhatTheFilterReadsIsNotRefused) {
  SelectionFixture fixture;
  fixture.add(device(1, 1));
  fixture.decide(1, 1, 0, true);
  std::vector<MadeRecord> records(4);
  records[0].originalLength = 9;  // cut at 4: the kernel may have accepted it
  records[1].originalLength = 8;  // cut, but too short for the load as a whole
  records[2].bytes = {0, 0, 0, 0, 0, 0, 0, 0, 9};
  records[3].bytes = {0, 0, 0, 0, 0, 0, 0, 0, 8};
  Block block = Block::of(records);
  TakenBlock taken = fixture.take(block, 1);
  fixture.ringPosition = {1};
  CHECK(fixture.table.replaceFilter(lateByte()).ok());
  fixture.table.enforceFilter();
  CHECK(fixture.handOut(block, taken).size() == 2);
  CHECK(fixture.table.stats().lateRefused == 2);
  fixture.checkBalance(4);
}

TEST(packetsFromAfterTheReplacementAreNotJudgedAgain) {
  SelectionFixture fixture;
  fixture.add(device(1, 1));
  fixture.decide(1, 1, 0, true);
  fixture.ringPosition = {3};
  CHECK(fixture.table.replaceFilter(lateByte()).ok());
  std::vector<MadeRecord> records(2);
  records[1].seconds = static_cast<std::uint32_t>(realNow() / 1'000'000'000 + 10);  // the kernel accepted it
  Block block = Block::of(records);
  TakenBlock taken = fixture.take(block, 2);
  fixture.table.enforceFilter();
  CHECK(fixture.handOut(block, taken).size() == 1);
  CHECK(fixture.table.stats().lateRefused == 1);
  fixture.checkBalance(2);
}

TEST(aFilterIsReplacedBeforeTheTableIsInUse) {
  SelectionTable table({}, true);
  CHECK(table.replaceFilter(lateByte()).ok());
  table.enforceFilter();
  CHECK(table.stats().lateRefused == 0);
}

TEST(anUnfilteredPacketIsCutToTheSnapshotLength) {
  FilterSpec spec = lateByte();
  spec.snapshotLength = 3;
  SelectionFixture fixture(true, spec, true);
  fixture.ringPosition = {5};
  std::vector<MadeRecord> records(2);
  for (auto& record : records) record.index = 7;
  records[0].bytes = {0, 0, 0, 0, 0, 0, 0, 0, 9};
  records[1].bytes = {0, 0, 0, 0, 0, 0, 0, 0, 8};
  Block block = Block::of(records);
  TakenBlock taken = fixture.take(block, 5);
  fixture.decide(7, 100, 1, true);
  CHECK(fixture.handOut(block, taken).size() == 1);
  CHECK(taken.summary.bytes == 3);
  fixture.checkBalance(2);
}

TEST(severalFilterChangesApplyInOrder) {
  SelectionFixture fixture;
  fixture.add(device(1, 1));
  fixture.decide(1, 1, 0, true);
  fixture.ringPosition = {10};
  fixture.table.enforceFilter();  // an initial filter that accepts everything
  Block first = packetsOf({1, 1});
  Block second = packetsOf({1, 1, 1});
  TakenBlock one = fixture.take(first, 1);
  TakenBlock two = fixture.take(second, 2);
  FilterSpec nothing;
  nothing.filtered = true;
  CHECK(fixture.table.replaceFilter(nothing).ok());
  CHECK(fixture.handOut(first, one).size() == 2);  // the second filter does not apply to it yet
  fixture.table.enforceFilter();
  CHECK(fixture.handOut(second, two).empty());
  CHECK(fixture.table.stats().lateRefused == 3);
  fixture.checkBalance(5);
}

static FilterSpec acceptNothing() {
  FilterSpec spec;
  spec.filtered = true;
  spec.programs.push_back({kLinkTypeEthernet, {{BPF_RET | BPF_K, 0, 0, 0}}, {}});
  return spec;
}

TEST(anIndexUsedAgainBeforeItsEventsAreRead) {
  SelectionFixture fixture(true, acceptNothing(), true);
  fixture.add(device(7, 1, "hot"));
  CHECK(fixture.decide(7, 1, 0, true));
  fixture.apply({event(InterfaceChange::Removed, device(7, 1, "hot"))}, 0, {0});
  CHECK(fixture.book.presence(7) == InterfaceBook::Presence::Gone);
  // The kernel passes the packet unfiltered, as it does for every unlisted device.
  Block block = packetsOf({7});
  TakenBlock taken = fixture.table.take(block.data(), block.size(), {0, 50}, [&](std::uint32_t index) {
    CHECK(index == 7);
    fixture.apply({event(InterfaceChange::Added, device(7, 2, "cold"))}, 0, {100});
  });
  CHECK(fixture.handOut(block, taken).empty());
  CHECK(fixture.table.stats().lateRefused == 1);
  fixture.checkBalance(1);
}

TEST(packetsOfAnEarlierDeviceOfTheIndexAreItsOwn) {
  FilterSpec spec;
  spec.filtered = true;
  spec.programs.push_back({kLinkTypeEthernet, {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0}, {BPF_RET | BPF_A, 0, 0, 0}}, {}});
  SelectionFixture fixture(true, spec, true);
  fixture.add(device(7, 1, "hot"));
  CHECK(fixture.decide(7, 1, 0, true));
  fixture.apply({event(InterfaceChange::Removed, device(7, 1, "hot"))}, 0, {3});
  for (const std::uint8_t first : {0, 1}) {
    MadeRecord record;
    record.index = 7;
    record.bytes[0] = first;
    Block block = Block::of({record});
    int calls = 0;
    // No other device has this index.
    TakenBlock taken = fixture.table.take(block.data(), block.size(), {0, 3}, [&](std::uint32_t) { ++calls; });
    CHECK(calls == 1);
    // Packets received after the device was forgotten have passed no filter.
    CHECK(fixture.handOut(block, taken).size() == first);
  }
  fixture.checkBalance(2);
}

TEST(whatNoFilterOfTheKernelHasJudgedIsJudgedHere) {
  SelectionFixture fixture(true, acceptNothing(), true);
  fixture.add(device(7, 1, "hot"));
  CHECK(fixture.decide(7, 1, 0, true));
  fixture.kernel->room = 1;
  fixture.add(device(8, 2, "hotter"));  // the kernel has no room for its verdict
  CHECK(fixture.decide(8, 2, 0, true));
  Block block = packetsOf({7, 8});
  TakenBlock taken = fixture.take(block, 2000);        // long after both have been added
  CHECK(fixture.handOut(block, taken) == Indexes{7});  // which the kernel has judged
  CHECK(fixture.table.stats().lateRefused == 1);

  // The device came back and left again, and both events were lost.
  fixture.apply({event(InterfaceChange::Removed, device(7, 1, "hot"))}, 0, {2000});
  Block late = packetsOf({7});
  TakenBlock last = fixture.take(late, 4000);
  CHECK(fixture.handOut(late, last).empty());
  CHECK(fixture.table.stats().lateRefused == 2);
  fixture.checkBalance(3);
}

TEST(whatWasReceivedBeforeTheVerdictWasInForceIsJudgedHere) {
  for (const auto change : {InterfaceChange::Added, InterfaceChange::Changed}) {
    SelectionFixture fixture(true, acceptNothing(), true);
    if (change == InterfaceChange::Changed) {
      auto raw = device(7, 1, "hot");
      raw.hardwareType = 0xfffe;
      fixture.add(raw);
      CHECK(fixture.decide(7, 1, 0, true));
    }
    // Another ring's loop takes blocks after the time of the event was read, and the kernel fills them again.
    fixture.kernel->onVerdict = [&] { fixture.ringPosition = {3000}; };
    fixture.apply({event(change, device(7, 1, "hot"))}, 0, {1000});
    Block block = packetsOf({7});
    TakenBlock taken = fixture.take(block, 2500);
    CHECK(fixture.handOut(block, taken).empty());
    CHECK(fixture.table.stats().lateRefused == 1);
    Block later = packetsOf({7});
    TakenBlock second = fixture.take(later, 3001);
    CHECK(fixture.handOut(later, second) == Indexes{7});  // which the kernel has judged
    fixture.checkBalance(2);
  }
}
