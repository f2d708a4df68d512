// Verdicts over time on blocks not filled by a kernel: which packets are delivered or refused, and that the ledger
// balances.
#include "core/ledger/selection_table.h"

#include <linux/filter.h>
#include <net/if.h>

#include <map>

#include "core/util/clock.h"
#include "support/blocks.h"
#include "support/check.h"
#include "support/no_kernel.h"
#include "support/random_filter.h"

using namespace ringtap;
using support::Block;
using support::MadeRecord;

namespace {

using Indexes = std::vector<std::uint32_t>;

// Records the verdicts set and returns the counts set by the test.
class FakeKernel final : public support::NoKernel {
 public:
  using NoKernel::NoKernel;
  void accept(std::uint32_t index, std::uint16_t) override { verdicts[index] = true; }
  void refuse(std::uint32_t index, std::uint16_t) override { verdicts[index] = false; }
  void forget(std::uint32_t index) override {
    verdicts.erase(index);
    counts.erase(index);
  }
  void relate(std::uint32_t index, const DedupeRelation& relation) override { relations[index] = relation; }
  std::optional<std::uint64_t> accepted(std::uint32_t index) const override {
    if (!counting) return std::nullopt;
    const auto found = counts.find(index);
    return found == counts.end() ? 0 : found->second;
  }
  FilterMode filterMode() const override { return counting ? FilterMode::Ebpf : FilterMode::Classic; }

  std::map<std::uint32_t, bool> verdicts;
  std::map<std::uint32_t, DedupeRelation> relations;
  bool counting = false;
  std::map<std::uint32_t, std::uint64_t> counts;
};

InterfaceInfo device(std::uint32_t index, std::uint32_t generation, const std::string& name = "eth") {
  InterfaceInfo info;
  info.index = index;
  info.generation = generation;
  info.name = name;
  info.hardwareType = 1;
  info.flags = IFF_UP;
  return info;
}

InterfaceEvent event(InterfaceChange change, const InterfaceInfo& current) { return {change, current, {}}; }

struct Bench {
  explicit Bench(bool hotplug = true, FilterSpec spec = {}, bool unfiltered = false, bool dedupe = false)
      : table(std::move(spec), hotplug, dedupe) {
    auto fake = std::make_unique<FakeKernel>(unfiltered);
    kernel = fake.get();
    table.use(std::move(fake));
  }

  TakenBlock take(Block& block, std::uint64_t number = 1) {
    return table.take(block.data(), block.size(), {0, number}, [this](std::uint32_t index) {
      unlistedMap.push_back(index);
      if (book.presence(index) == InterfaceBook::Presence::Gone) return;
      apply({event(InterfaceChange::Added, device(index, nextGeneration++))}, 0, ringPosition);
    });
  }
  void add(const InterfaceInfo& info, const std::optional<DeviceLosses>& losses = {}) {
    (void)table.add(book.add(info), losses);
  }
  void apply(const std::vector<InterfaceEvent>& events, std::uint64_t time, const RingPosition& position) {
    const Moment now{time, position};
    (void)table.apply(book.enter(events, now), now);
  }
  bool decide(std::uint32_t index, std::uint32_t generation, std::uint64_t epoch, bool selected) {
    return table.decide({index, generation}, epoch, selected, {realNow(), ringPosition});
  }
  Result<> commit() { return table.commit({realNow(), ringPosition}); }
  // Hands out a block and reads it, as JavaScript does.
  Indexes handOut(Block& block, TakenBlock& taken) {
    table.handOut(block.data(), taken);
    Indexes indexes;
    walkIndex(block.data(), taken.summary.packets,
              [&](const Record& record) { indexes.push_back(static_cast<std::uint32_t>(record.from().sll_ifindex)); });
    return indexes;
  }
  void checkBalance(std::uint64_t received) {
    const auto stats = table.stats();
    CHECK(stats.delivered + stats.unselected + stats.lateRefused + stats.malformed + stats.queued == received);
    std::uint64_t delivered = 0, unselected = 0, queued = 0;
    for (const InterfaceStats& one : stats.interfaces) {
      CHECK(one.taken == one.delivered + one.unselected + one.queued);
      delivered += one.delivered;
      unselected += one.unselected;
      queued += one.queued;
    }
    CHECK(delivered == stats.delivered && unselected == stats.unselected && queued == stats.queued);
  }

  InterfaceBook book;
  SelectionTable table;
  FakeKernel* kernel = nullptr;
  Indexes unlistedMap;
  std::uint32_t nextGeneration = 100;
  RingPosition ringPosition{1000};
};

Block packetsOf(const Indexes& indexes) {
  std::vector<MadeRecord> records;
  for (const std::uint32_t index : indexes) {
    MadeRecord record;
    record.index = index;
    records.push_back(record);
  }
  return Block::of(records);
}

}  // namespace

TEST(deviceLossesCountFromTheFirstSelection) {
  Bench bench;
  const auto lossesOf = [&](std::uint32_t generation, const std::map<std::uint32_t, DeviceLosses>& now) {
    bench.table.updateLosses({bench.book.epoch(), now});
    for (const auto& one : bench.table.stats().interfaces) {
      if (one.generation == generation) return one.losses ? static_cast<int>(one.losses->dropped) : -1;
    }
    return -2;
  };
  const auto counted = [](std::uint64_t dropped) { return DeviceLosses{.dropped = dropped}; };
  const auto told = [](InterfaceEvent news, std::uint64_t dropped) {
    news.losses = DeviceLosses{.dropped = dropped};
    return news;
  };

  bench.add(device(1, 1), counted(100));
  bench.add(device(2, 2), counted(100));
  bench.add(device(3, 3));
  CHECK(lossesOf(1, {{1, counted(130)}}) == -1);
  bench.decide(1, 1, 0, true);
  bench.decide(2, 2, 0, false);
  bench.decide(3, 3, 0, true);
  CHECK(lossesOf(1, {{1, counted(130)}}) == 30);
  CHECK(lossesOf(1, {}) == -1);                   // the kernel does not report it
  CHECK(lossesOf(2, {{2, counted(130)}}) == -1);  // never captured
  CHECK(lossesOf(3, {{3, counted(130)}}) == -1);  // its counters at the start are unknown

  // The new name is selected: losses count from the rename. A further rename changes nothing.
  bench.apply({told(event(InterfaceChange::Renamed, device(2, 2, "lan")), 120)}, 1, bench.ringPosition);
  bench.decide(2, 2, 1, true);
  CHECK(lossesOf(2, {{2, counted(130)}}) == 10);
  bench.apply({told(event(InterfaceChange::Renamed, device(2, 2, "wan")), 140)}, 2, bench.ringPosition);
  bench.decide(2, 2, 2, true);
  CHECK(lossesOf(2, {{2, counted(150)}}) == 30);

  // Removed: its final counters are used. The next device with its index starts from its own initial counters.
  bench.apply({told(event(InterfaceChange::Removed, device(2, 2, "wan")), 160)}, 3, bench.ringPosition);
  CHECK(lossesOf(2, {{2, counted(7)}}) == 40);
  bench.apply({told(event(InterfaceChange::Added, device(2, 9)), 3)}, 4, bench.ringPosition);
  bench.decide(2, 9, 4, true);
  CHECK(lossesOf(9, {{2, counted(7)}}) == 4 && lossesOf(2, {{2, counted(7)}}) == 40);
  // Removed without final counters: the losses are unknown.
  bench.apply({event(InterfaceChange::Removed, device(2, 9))}, 5, bench.ringPosition);
  CHECK(lossesOf(9, {{2, counted(9)}}) == -1);
}

TEST(lossesOfSoftwareDevicesNeedOnlyTheDeviceTable) {
  Bench bench;
  const auto lossesOf = [&](std::uint32_t generation, const DeviceLines& lines) {
    for (const auto& one : bench.table.stats(&lines).interfaces) {
      if (one.generation == generation) return one.losses;
    }
    return std::optional<DeviceLosses>{};
  };
  InterfaceInfo veth = device(1, 1, "veth1"), nic = device(2, 2, "nic2");
  veth.kind = "veth";
  bench.add(veth, DeviceLosses{.dropped = 100, .errors = 2, .fifo = 3});
  bench.add(nic, DeviceLosses{.dropped = 100, .missed = 10});
  CHECK(!bench.table.needsLosses(false));
  bench.decide(1, 1, 0, true);
  CHECK(!bench.table.needsLosses(true) && bench.table.needsLosses(false));
  bench.decide(2, 2, 0, true);
  CHECK(bench.table.needsLosses(true));

  // The line of a veth is exact; that of hardware does not tell missed packets from dropped ones, and is not used.
  const DeviceLines lines{{"veth1", {12, 107, 8}}, {"nic2", {5, 200, 5}}};
  CHECK(lossesOf(1, lines) == DeviceLosses{.dropped = 7, .errors = 10, .fifo = 5});
  CHECK(lossesOf(2, lines) == DeviceLosses{});
  CHECK(lossesOf(1, {}) == DeviceLosses{});
  bench.table.updateLosses({0, {{1, {.dropped = 101, .errors = 2, .fifo = 3}}, {2, {.dropped = 102, .missed = 14}}}});
  CHECK(lossesOf(1, {}) == DeviceLosses{.dropped = 1});
  CHECK(lossesOf(2, lines) == (DeviceLosses{.dropped = 2, .missed = 4}));

  // The index is used again while the counters are read: those of the old device are not the new one's.
  auto removed = event(InterfaceChange::Removed, nic), added = event(InterfaceChange::Added, device(2, 9, "nic9"));
  removed.losses = DeviceLosses{.dropped = 110, .missed = 15};
  added.losses = DeviceLosses{};
  bench.apply({removed, added}, 1, bench.ringPosition);
  bench.decide(2, 9, 2, true);
  bench.table.updateLosses({1, {{1, {.dropped = 100, .errors = 2, .fifo = 3}}, {2, {.dropped = 104, .missed = 14}}}});
  CHECK(lossesOf(9, lines) == DeviceLosses{});
  CHECK(lossesOf(2, lines) == (DeviceLosses{.dropped = 10, .missed = 5}));
  bench.table.updateLosses({2, {{1, {.dropped = 100, .errors = 2, .fifo = 3}}, {2, {.dropped = 6, .missed = 1}}}});
  CHECK(lossesOf(9, lines) == (DeviceLosses{.dropped = 6, .missed = 1}));
}

TEST(verdictsBeforeTheStartHoldFromTheFirstPacket) {
  Bench bench;
  bench.add(device(1, 1));
  bench.add(device(2, 2));
  CHECK(bench.decide(1, 1, 0, true) && bench.decide(2, 2, 0, false));
  CHECK(bench.kernel->verdicts.at(1) && !bench.kernel->verdicts.at(2));
  Block block = packetsOf({1, 2, 1, 2, 2});
  TakenBlock taken = bench.take(block);
  CHECK(taken.summary.packets == 2 && !taken.pending && taken.epoch == 0 && taken.records == 5);
  bench.checkBalance(5);
  CHECK(bench.handOut(block, taken) == Indexes({1, 1}));
  bench.checkBalance(5);
  CHECK(bench.unlistedMap.empty());
}

TEST(packetsOfAnUndecidedInterfaceWaitForItsVerdict) {
  for (const bool selected : {true, false}) {
    Bench bench;
    bench.add(device(1, 1));
    bench.decide(1, 1, 0, true);
    Block block = packetsOf({7, 1, 7, 8, 1, 7});
    TakenBlock taken = bench.take(block);
    CHECK(bench.unlistedMap == Indexes({7, 8}) && taken.pending && taken.epoch == 2 && taken.summary.packets == 6);
    CHECK(bench.table.stats().queued == 6);
    CHECK(bench.decide(7, 100, 1, selected) && bench.decide(8, 101, 2, !selected));
    CHECK(bench.handOut(block, taken) == (selected ? Indexes({7, 1, 7, 1, 7}) : Indexes({1, 8, 1})));
    bench.checkBalance(6);
    CHECK(bench.kernel->verdicts.at(7) == selected && bench.kernel->verdicts.at(8) != selected);
  }
}

TEST(withoutHotplugLaterInterfacesAreUnselected) {
  Bench bench(false);
  Block block = packetsOf({7, 7});
  TakenBlock taken = bench.take(block);
  CHECK(!taken.pending && taken.summary.packets == 0 && bench.handOut(block, taken).empty());
  bench.checkBalance(2);
}

TEST(aVerdictHoldsForTheTimeOfItsEvent) {
  Bench bench;
  bench.add(device(1, 1, "eth0"));
  bench.decide(1, 1, 0, true);
  Block before = packetsOf({1});
  TakenBlock early = bench.take(before, 1);
  bench.apply({event(InterfaceChange::Renamed, device(1, 1, "veth0"))}, 0, {1});
  Block between = packetsOf({1, 1});
  TakenBlock middle = bench.take(between, 2);
  bench.apply({event(InterfaceChange::Renamed, device(1, 1, "eth0"))}, 0, {2});
  Block after = packetsOf({1, 1, 1});
  TakenBlock late = bench.take(after, 3);
  CHECK(early.epoch == 0 && middle.epoch == 1 && late.epoch == 2 && middle.pending && late.pending);
  // The name veth0 is not selected; the decisions arrive late and all together.
  bench.decide(1, 1, 1, false);
  bench.decide(1, 1, 2, true);
  CHECK(bench.handOut(before, early).size() == 1);
  CHECK(bench.handOut(between, middle).empty());
  CHECK(bench.handOut(after, late).size() == 3);
  bench.checkBalance(6);
  CHECK(bench.table.stats().delivered == 4 && bench.table.stats().unselected == 2);
}

TEST(aRenameWithinABlockDividesItByTime) {
  Bench bench;
  bench.add(device(1, 1));
  bench.decide(1, 1, 0, true);
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
  TakenBlock taken = bench.table.take(block.data(), block.size(), {0, 1}, [&](std::uint32_t) {
    bench.apply({event(InterfaceChange::Renamed, device(1, 1, "other")), event(InterfaceChange::Added, device(7, 2))},
                105'000'000'000, {2});
  });
  CHECK(taken.pending && taken.epoch == 2 && taken.shares.size() == 2);
  bench.decide(1, 1, 1, false);
  bench.decide(7, 2, 2, true);
  CHECK(bench.handOut(block, taken) == (Indexes{1, 1, 7, 1, 1}));
  bench.checkBalance(5);

  // A block with packets from before, during and after the other name.
  records[2].index = 1;
  for (MadeRecord& record : records) record.seconds += 4;
  block.fill(records);
  bench.apply({event(InterfaceChange::Renamed, device(1, 1, "eth"))}, 107'000'000'000, {2});
  TakenBlock mixed = bench.take(block, 2);
  CHECK(mixed.pending && mixed.shares.size() == 3);
  bench.decide(1, 1, 3, true);
  CHECK(bench.handOut(block, mixed).size() == 3 && numbers(mixed) == (std::vector<int>{0, 3, 4}));
  CHECK(bench.table.stats().unselected == 2);
  bench.checkBalance(10);
}

TEST(packetsOfARemovedDeviceKeepItsVerdict) {
  Bench bench;
  bench.add(device(1, 1));
  bench.decide(1, 1, 0, true);
  bench.apply({event(InterfaceChange::Removed, device(1, 1))}, 0, {1});
  CHECK(!bench.kernel->verdicts.contains(1));
  Block block = packetsOf({1, 1});
  TakenBlock taken = bench.take(block);
  CHECK(bench.unlistedMap == Indexes({1}) && bench.handOut(block, taken).size() == 2);
  // The next device with the index has its own ledger and verdict.
  bench.apply({event(InterfaceChange::Added, device(1, 2))}, 0, {1});
  CHECK(!bench.decide(1, 1, 0, true));
  CHECK(bench.decide(1, 2, bench.book.epoch(), false));
  Block next = packetsOf({1});
  TakenBlock second = bench.take(next);
  CHECK(bench.handOut(next, second).empty());
  bench.checkBalance(3);
  const auto stats = bench.table.stats();
  CHECK(stats.interfaces.size() == 2 && !stats.interfaces[0].present && stats.interfaces[0].delivered == 2);
  CHECK(stats.interfaces[1].unselected == 1);
}

TEST(aLateRemovalDoesNotAffectTheNextDeviceOfTheIndex) {
  Bench bench;
  bench.apply({event(InterfaceChange::Added, device(1, 1)), event(InterfaceChange::Added, device(1, 2)),
               event(InterfaceChange::Removed, device(1, 1))},
              0, {1});
  CHECK(bench.kernel->verdicts.contains(1) && bench.decide(1, 2, 2, true));
}

TEST(packetsAcceptedUnderAnOlderFilterAreFilteredAgain) {
  FilterSpec spec;
  spec.filtered = true;
  spec.programs.push_back({kLinkTypeEthernet,
                           {support::op(BPF_LD | BPF_B | BPF_ABS, 0), support::jump(BPF_JEQ | BPF_K, 9, 0, 1),
                            support::op(BPF_RET, 100), support::op(BPF_RET, 0)},
                           {}});
  for (const bool unfiltered : {true, false}) {
    Bench bench(true, spec, unfiltered);
    bench.ringPosition = {5};
    std::vector<MadeRecord> records(4);
    for (auto& record : records) record.index = 7;
    records[1].bytes = {9};
    records[2].bytes = {};  // shorter than the filter's load
    records[3].hardwareType = 0xffff;
    Block block = Block::of(records);
    TakenBlock taken = bench.take(block, 5);
    bench.decide(7, 100, 1, true);
    CHECK(bench.handOut(block, taken).size() == (unfiltered ? 1 : 4));
    CHECK(bench.table.stats().lateRefused == (unfiltered ? 3 : 0));
    bench.checkBalance(4);
    // Behind the horizon, the kernel has already filtered the packets.
    Block later = Block::of(records);
    TakenBlock second = bench.take(later, 6);
    CHECK(bench.handOut(later, second).size() == 4);
    bench.checkBalance(8);
  }
}

TEST(anEnforcedFilterAppliesToQueuedBlocks) {
  Bench bench;
  bench.add(device(1, 1));
  bench.decide(1, 1, 0, true);
  Block first = packetsOf({1, 1});
  Block second = packetsOf({1, 1, 1});
  TakenBlock one = bench.take(first, 1);
  TakenBlock two = bench.take(second, 2);
  FilterSpec nothing;
  nothing.filtered = true;
  CHECK(bench.table.replaceFilter(nothing).ok());
  bench.table.enforceFilter({1});
  CHECK(bench.handOut(first, one).empty());
  CHECK(bench.handOut(second, two).size() == 3);
  CHECK(bench.table.stats().lateRefused == 2);
  bench.checkBalance(5);
}

TEST(severalFilterChangesApplyInOrder) {
  Bench bench;
  bench.add(device(1, 1));
  bench.decide(1, 1, 0, true);
  bench.table.enforceFilter({10});  // an initial filter that accepts everything
  Block first = packetsOf({1, 1});
  Block second = packetsOf({1, 1, 1});
  TakenBlock one = bench.take(first, 1);
  TakenBlock two = bench.take(second, 2);
  FilterSpec nothing;
  nothing.filtered = true;
  CHECK(bench.table.replaceFilter(nothing).ok());
  CHECK(bench.handOut(first, one).size() == 2);  // the second filter does not apply to it yet
  bench.table.enforceFilter({10});
  CHECK(bench.handOut(second, two).empty());
  CHECK(bench.table.stats().lateRefused == 3);
  bench.checkBalance(5);
}

TEST(malformedRecordsAreCounted) {
  Bench bench;
  bench.add(device(1, 1));
  bench.decide(1, 1, 0, true);
  Block block = packetsOf({1, 1, 1});
  block.record(1).tp_mac = 0;
  TakenBlock taken = bench.take(block);
  CHECK(taken.records == 3 && bench.handOut(block, taken).size() == 1);
  CHECK(bench.table.stats().malformed == 2);
  bench.checkBalance(3);
}

TEST(manyInterfacesAreCountedInAnyOrder) {
  support::Choices choices(41);
  Bench bench;
  std::map<std::uint32_t, bool> wanted;
  std::uint64_t received = 0;
  std::map<std::uint32_t, std::uint64_t> delivered, expected;
  for (int round = 0; round < 300; ++round) {
    Indexes indexes;
    for (std::uint32_t i = choices.below(30); i > 0; --i) indexes.push_back(choices.below(600));
    Block block = packetsOf(indexes);
    bench.unlistedMap.clear();
    const std::uint64_t epoch = bench.book.epoch();
    TakenBlock taken = bench.take(block);
    for (std::size_t i = 0; i < bench.unlistedMap.size(); ++i) {
      const std::uint32_t index = bench.unlistedMap[i];
      CHECK(wanted.emplace(index, choices.oneIn(2)).second);
      const auto generation = static_cast<std::uint32_t>(bench.nextGeneration - bench.unlistedMap.size() + i);
      CHECK(bench.decide(index, generation, epoch + 1 + i, wanted[index]));
    }
    for (const std::uint32_t index : indexes) expected[index] += wanted[index] ? 1 : 0;
    for (const std::uint32_t index : bench.handOut(block, taken)) ++delivered[index];
    received += indexes.size();
  }
  std::erase_if(expected, [](const auto& entry) { return entry.second == 0; });
  CHECK(delivered == expected);
  bench.checkBalance(received);
}

TEST(duplicatesAreFoundByTopology) {
  for (const bool dedupe : {true, false}) {
    Bench bench(true, {}, false, dedupe);
    auto bridge = device(10, 1, "br0");
    bridge.kind = "bridge";
    auto first = device(1, 2, "va");
    auto second = device(2, 3, "vb");
    first.master = second.master = 10;
    bench.add(bridge);
    bench.add(first);
    bench.add(second);
    // Two packets: from va to vb and the host, and from the host to vb.
    const auto crossing = [] {
      return Block::of({{.index = 1},
                        {.index = 2, .packetType = PACKET_OUTGOING},
                        {.index = 10},
                        {.index = 10, .packetType = PACKET_OUTGOING},
                        {.index = 2, .packetType = PACKET_OUTGOING}});
    };
    const Indexes all{1, 2, 10, 10, 2};
    const auto seen = [&] {
      Block block = crossing();
      TakenBlock taken = bench.take(block);
      return bench.handOut(block, taken);
    };
    CHECK(seen() == all);  // no decision yet
    for (const auto& info : {bridge, first, second}) CHECK(bench.decide(info.index, info.generation, 0, true));
    CHECK(bench.commit().ok());
    CHECK(((bench.kernel->relations[2].flags & kDedupeAllOut) != 0) == dedupe);
    CHECK(seen() == all);  // may predate the decision
    bench.table.use(std::make_unique<FakeKernel>());
    CHECK(seen() == (dedupe ? Indexes{1, 10} : all));
    bench.checkBalance(15);
    CHECK(bench.table.stats().duplicates == (dedupe ? 3 : 0));
    std::map<std::uint32_t, std::uint64_t> duplicates;
    for (const auto& one : bench.table.stats().interfaces) duplicates[one.index] = one.duplicates;
    CHECK((duplicates == std::map<std::uint32_t, std::uint64_t>{{1, 0}, {2, dedupe ? 2 : 0}, {10, dedupe ? 1 : 0}}));

    second.master = 0;  // vb leaves the bridge: the host's packets to it are seen nowhere else
    bench.apply({event(InterfaceChange::Changed, second)}, 0, {});
    CHECK(seen() == (dedupe ? Indexes{1, 2, 10, 2} : all));
  }
}

TEST(packetsWaitingWhileTheirDeviceReturnsAreDelivered) {
  for (const std::uint64_t number : {10u, 11u}) {
    Bench bench;
    bench.kernel->counting = true;
    bench.add(device(5, 1));
    CHECK(bench.decide(5, 1, 0, true));
    bench.kernel->counts[5] = 4;
    // Moves to another namespace and back twice, with some packets each time, before the block is handed over.
    bench.apply({event(InterfaceChange::Removed, device(5, 1)), event(InterfaceChange::Added, device(5, 2))}, 0, {10});
    bench.kernel->counts[5] = 2;
    bench.apply({event(InterfaceChange::Removed, device(5, 2)), event(InterfaceChange::Added, device(5, 3))}, 0, {10});
    bench.kernel->counts[5] = 3;
    CHECK(bench.decide(5, 3, 4, true));
    const bool late = number > 10;  // no earlier packets can follow: those of the first two were dropped
    Block block = packetsOf(late ? Indexes(3, 5) : Indexes(9, 5));
    TakenBlock taken = bench.take(block, number);
    CHECK(bench.handOut(block, taken).size() == (late ? 3 : 9));
    std::map<std::uint32_t, InterfaceStats> byGeneration;
    for (InterfaceStats& one : bench.table.stats().interfaces) byGeneration[one.generation] = one;
    CHECK(byGeneration[1].received == (late ? 4 : 0) && byGeneration[1].taken == 0);
    CHECK(byGeneration[2].received == (late ? 2 : 0) && byGeneration[2].taken == 0);
    CHECK(byGeneration[3].received == (late ? 3 : 9) && byGeneration[3].delivered == (late ? 3 : 9));
    // The third is removed as well, with the counts it inherited.
    bench.apply({event(InterfaceChange::Removed, device(5, 3))}, 0, {20});
    for (const InterfaceStats& one : bench.table.stats().interfaces) {
      if (one.generation == 3) CHECK(one.received == (late ? 3 : 9));
    }
  }
}

TEST(anIndexUsedAgainBeforeItsEventsAreRead) {
  FilterSpec spec;
  spec.filtered = true;
  spec.programs.push_back({kLinkTypeEthernet, {{BPF_RET | BPF_K, 0, 0, 0}}, {}});  // accepts nothing
  Bench bench(true, spec, true);
  bench.add(device(7, 1, "hot"));
  CHECK(bench.decide(7, 1, 0, true));
  bench.apply({event(InterfaceChange::Removed, device(7, 1, "hot"))}, 0, {0});
  CHECK(bench.book.presence(7) == InterfaceBook::Presence::Gone);
  // The kernel passes the packet unfiltered, as it does for every unlisted device.
  Block block = packetsOf({7});
  TakenBlock taken = bench.table.take(block.data(), block.size(), {0, 50}, [&](std::uint32_t index) {
    CHECK(index == 7);
    bench.apply({event(InterfaceChange::Added, device(7, 2, "cold"))}, 0, {100});
  });
  CHECK(bench.handOut(block, taken).empty());
  CHECK(bench.table.stats().lateRefused == 1);
  bench.checkBalance(1);
}

TEST(packetsOfAnEarlierDeviceOfTheIndexAreItsOwn) {
  FilterSpec spec;
  spec.filtered = true;
  spec.programs.push_back({kLinkTypeEthernet, {{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0}, {BPF_RET | BPF_A, 0, 0, 0}}, {}});
  Bench bench(true, spec, true);
  bench.add(device(7, 1, "hot"));
  CHECK(bench.decide(7, 1, 0, true));
  bench.apply({event(InterfaceChange::Removed, device(7, 1, "hot"))}, 0, {3});
  for (const std::uint8_t first : {0, 1}) {
    MadeRecord record;
    record.index = 7;
    record.bytes[0] = first;
    Block block = Block::of({record});
    int asked = 0;
    // No other device has this index.
    TakenBlock taken = bench.table.take(block.data(), block.size(), {0, 3}, [&](std::uint32_t) { ++asked; });
    CHECK(asked == 1);
    // Packets received after the device was forgotten have passed no filter.
    CHECK(bench.handOut(block, taken).size() == first);
  }
  bench.checkBalance(2);
}

TEST(aNameGivenWhileDownDecidesOnAllLaterPackets) {
  for (const bool decided : {false, true}) {
    Bench bench;
    auto info = device(7, 1, "tmp1");
    info.flags = 0;
    bench.apply({event(InterfaceChange::Added, info)}, 100, {10});
    if (decided) CHECK(bench.decide(7, 1, 1, false));
    CHECK(bench.kernel->verdicts.at(7));  // it may be renamed before it receives a packet
    info.name = "veth1";
    bench.apply({event(InterfaceChange::Renamed, info)}, ~std::uint64_t{0} - 1, {10});
    // The first packet precedes the event that the device is up: the event is read first.
    Block block = packetsOf({7, 7});
    TakenBlock taken = bench.table.take(block.data(), block.size(), {0, 5}, [&](std::uint32_t index) {
      CHECK(index == 7 && info.flags == 0);
      info.flags = IFF_UP;
      bench.apply({event(InterfaceChange::Changed, info)}, ~std::uint64_t{0} - 1, {10});
    });
    CHECK(bench.decide(7, 1, 2, true) && bench.kernel->verdicts.at(7));
    if (!decided) CHECK(bench.decide(7, 1, 1, false));
    CHECK(bench.handOut(block, taken) == Indexes({7, 7}));
    bench.checkBalance(2);
  }
}

TEST(aRefusedDeviceThatIsDownIsRefusedOnceItIsUp) {
  for (const bool hotplug : {true, false}) {
    Bench bench(hotplug);
    auto info = device(7, 1);
    info.flags = 0;
    bench.add(info);
    CHECK(bench.decide(7, 1, 0, false));
    CHECK(bench.kernel->verdicts.at(7) == hotplug);  // without hotplug no rename can change the verdict
    info.flags = IFF_UP;
    bench.apply({event(InterfaceChange::Changed, info)}, 100, {10});
    CHECK(!bench.kernel->verdicts.at(7));
    info.flags = 0;
    bench.apply({event(InterfaceChange::Changed, info)}, 200, {10});
    CHECK(bench.kernel->verdicts.at(7) == hotplug);
  }
}

// The clock may be set back by any amount: packets of later blocks count as later, whatever their timestamps.
TEST(packetTimesDecideOnlyWithinTheRing) {
  constexpr std::uint64_t kLater = ~std::uint64_t{0} - 1;
  {
    Bench bench;
    bench.add(device(1, 1, "eth0"));
    bench.decide(1, 1, 0, false);
    bench.apply({event(InterfaceChange::Renamed, device(1, 1, "lan0"))}, kLater, {10});
    bench.decide(1, 1, 1, true);
    Block within = packetsOf({1, 1});
    TakenBlock before = bench.take(within, 10);
    CHECK(bench.handOut(within, before).empty());
    Block beyond = packetsOf({1, 1});
    TakenBlock after = bench.take(beyond, 11);
    CHECK(bench.handOut(beyond, after).size() == 2);
    bench.checkBalance(4);
  }
  Bench bench(true, {}, false, true);
  auto near = device(1, 1);
  auto far = device(2, 2);
  near.kind = far.kind = "veth";
  near.peerIndex = 2;
  far.peerIndex = 1;
  bench.add(near);
  bench.add(far);
  for (const auto& info : {near, far}) {
    CHECK(bench.table.decide(info.id(), 0, true, {kLater, {10}}));
  }
  CHECK(bench.table.commit({kLater, {10}}).ok());
  const auto seenIn = [&](std::uint64_t number) {
    Block block = Block::of({{.index = 1, .packetType = PACKET_OUTGOING}, {.index = 2}});
    TakenBlock taken = bench.take(block, number);
    return bench.handOut(block, taken);
  };
  CHECK(seenIn(10) == Indexes({1, 2}));
  CHECK(seenIn(11) == Indexes({1}));
}

TEST(aSelectionInTheCoreDecidesWithTheEvent) {
  auto compiled = InterfaceSelection::byPatterns({"^eth"}, {"9$"}, false);
  CHECK(compiled.ok());
  InterfaceBook book;
  SelectionTable table({}, true, false, std::make_shared<const InterfaceSelection>(std::move(*compiled)));
  auto fake = std::make_unique<FakeKernel>();
  const FakeKernel& kernel = *fake;
  table.use(std::move(fake));
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
