// Losses ahead of the ring, per device: from when they count, and from which of the kernel's counters.
#include "core/links/device_losses.h"

#include <map>

#include "support/check.h"
#include "support/selection_fixture.h"

using namespace ringtap;
using support::device;
using support::event;
using support::SelectionFixture;

TEST(deviceLossesCountFromTheFirstSelection) {
  SelectionFixture fixture;
  const auto lossesOf = [&](std::uint32_t generation, const std::map<std::uint32_t, DeviceLosses>& now) {
    fixture.table.updateLosses({fixture.book.epoch(), now});
    for (const auto& one : fixture.table.stats().interfaces) {
      if (one.generation == generation) return one.losses ? static_cast<int>(one.losses->dropped) : -1;
    }
    return -2;
  };
  const auto counted = [](std::uint64_t dropped) { return DeviceLosses{.dropped = dropped}; };
  const auto withLosses = [](InterfaceEvent changed, std::uint64_t dropped) {
    changed.losses = DeviceLosses{.dropped = dropped};
    return changed;
  };

  fixture.add(device(1, 1), counted(100));
  fixture.add(device(2, 2), counted(100));
  fixture.add(device(3, 3));
  CHECK(lossesOf(1, {{1, counted(130)}}) == -1);
  fixture.decide(1, 1, 0, true);
  fixture.decide(2, 2, 0, false);
  fixture.decide(3, 3, 0, true);
  CHECK(lossesOf(1, {{1, counted(130)}}) == 30);
  CHECK(lossesOf(1, {}) == -1);                   // the kernel does not report it
  CHECK(lossesOf(2, {{2, counted(130)}}) == -1);  // never captured
  CHECK(lossesOf(3, {{3, counted(130)}}) == -1);  // its counters at the start are unknown

  // The new name is selected: losses count from the rename. A further rename changes nothing.
  fixture.apply({withLosses(event(InterfaceChange::Renamed, device(2, 2, "lan")), 120)}, 1, fixture.ringPosition);
  fixture.decide(2, 2, 1, true);
  CHECK(lossesOf(2, {{2, counted(130)}}) == 10);
  fixture.apply({withLosses(event(InterfaceChange::Renamed, device(2, 2, "wan")), 140)}, 2, fixture.ringPosition);
  fixture.decide(2, 2, 2, true);
  CHECK(lossesOf(2, {{2, counted(150)}}) == 30);

  // Removed: its final counters are used. The next device with its index starts from its own initial counters.
  fixture.apply({withLosses(event(InterfaceChange::Removed, device(2, 2, "wan")), 160)}, 3, fixture.ringPosition);
  CHECK(lossesOf(2, {{2, counted(7)}}) == 40);
  fixture.apply({withLosses(event(InterfaceChange::Added, device(2, 9)), 3)}, 4, fixture.ringPosition);
  fixture.decide(2, 9, 4, true);
  CHECK(lossesOf(9, {{2, counted(7)}}) == 4 && lossesOf(2, {{2, counted(7)}}) == 40);
  // Removed without final counters: the losses are unknown.
  fixture.apply({event(InterfaceChange::Removed, device(2, 9))}, 5, fixture.ringPosition);
  CHECK(lossesOf(9, {{2, counted(9)}}) == -1);
}

TEST(lossesOfSoftwareDevicesNeedOnlyTheDeviceTable) {
  SelectionFixture fixture;
  const auto lossesOf = [&](std::uint32_t generation, const DeviceLines& lines) {
    for (const auto& one : fixture.table.stats(&lines).interfaces) {
      if (one.generation == generation) return one.losses;
    }
    return std::optional<DeviceLosses>{};
  };
  InterfaceInfo veth = device(1, 1, "veth1"), nic = device(2, 2, "nic2");
  veth.kind = "veth";
  fixture.add(veth, DeviceLosses{.dropped = 100, .errors = 2, .fifo = 3});
  fixture.add(nic, DeviceLosses{.dropped = 100, .missed = 10});
  CHECK(!fixture.table.needsLosses(false));
  fixture.decide(1, 1, 0, true);
  CHECK(!fixture.table.needsLosses(true) && fixture.table.needsLosses(false));
  fixture.decide(2, 2, 0, true);
  CHECK(fixture.table.needsLosses(true));

  // The line of a veth is exact; that of hardware adds missed packets to dropped ones, and is not used.
  const DeviceLines lines{{"veth1", {12, 107, 8}}, {"nic2", {5, 200, 5}}};
  CHECK(lossesOf(1, lines) == DeviceLosses{.dropped = 7, .errors = 10, .fifo = 5});
  CHECK(lossesOf(2, lines) == DeviceLosses{});
  CHECK(lossesOf(1, {}) == DeviceLosses{});
  fixture.table.updateLosses({0, {{1, {.dropped = 101, .errors = 2, .fifo = 3}}, {2, {.dropped = 102, .missed = 14}}}});
  CHECK(lossesOf(1, {}) == DeviceLosses{.dropped = 1});
  CHECK(lossesOf(2, lines) == (DeviceLosses{.dropped = 2, .missed = 4}));

  // The index is used again while the counters are read: those of the old device are not the new one's.
  auto removed = event(InterfaceChange::Removed, nic), added = event(InterfaceChange::Added, device(2, 9, "nic9"));
  removed.losses = DeviceLosses{.dropped = 110, .missed = 15};
  added.losses = DeviceLosses{};
  fixture.apply({removed, added}, 1, fixture.ringPosition);
  fixture.decide(2, 9, 2, true);
  fixture.table.updateLosses({1, {{1, {.dropped = 100, .errors = 2, .fifo = 3}}, {2, {.dropped = 104, .missed = 14}}}});
  CHECK(lossesOf(9, lines) == DeviceLosses{});
  CHECK(lossesOf(2, lines) == (DeviceLosses{.dropped = 10, .missed = 5}));
  fixture.table.updateLosses({2, {{1, {.dropped = 100, .errors = 2, .fifo = 3}}, {2, {.dropped = 6, .missed = 1}}}});
  CHECK(lossesOf(9, lines) == (DeviceLosses{.dropped = 6, .missed = 1}));
}
