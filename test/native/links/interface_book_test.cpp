// The device and name of an interface index, by epoch, block and time.
#include "core/links/interface_book.h"

#include <net/if.h>

#include "support/check.h"

using namespace ringtap;

namespace {

InterfaceInfo device(std::uint32_t index, std::uint32_t generation, const std::string& name,
                     std::uint32_t flags = IFF_UP) {
  InterfaceInfo info;
  info.index = index;
  info.generation = generation;
  info.name = name;
  info.flags = flags;
  return info;
}

InterfaceEvent added(const InterfaceInfo& info) { return {InterfaceChange::Added, info, {}}; }
InterfaceEvent removed(const InterfaceInfo& info) { return {InterfaceChange::Removed, info, {}}; }
InterfaceEvent renamed(const InterfaceInfo& info) { return {InterfaceChange::Renamed, info, {}}; }
InterfaceEvent changed(const InterfaceInfo& info) { return {InterfaceChange::Changed, info, {}}; }

struct At {
  std::uint64_t epoch;
  std::uint64_t number;  // block number
  std::uint64_t time;
};

std::string nameAt(const InterfaceBook& book, std::uint32_t index, At at) {
  const BlockOrigin origin{{0, at.number}, at.epoch};
  const auto found = book.resolve(index, origin, at.time);
  // The candidates for the whole block must give the same answer.
  const auto candidates = book.candidates(index, origin);
  auto chosen = candidates.back().interface;
  for (const auto& one : candidates) {
    if (at.time > one.since) {
      chosen = one.interface;
      break;
    }
  }
  CHECK(*chosen == *found);
  return found->name;
}

}  // namespace

TEST(aNameHoldsFromItsMomentOn) {
  InterfaceBook book;
  (void)book.add(device(1, 1, "eth0"));
  CHECK(book.epoch() == 0 && book.isSteady({0, 1}));
  const auto events = book.enter({renamed(device(1, 1, "lan0"))}, {100, {10}});
  CHECK(events.size() == 1 && events[0].epoch == 1 && book.epoch() == 1);
  CHECK(events[0].previous->name == "eth0" && events[0].current->name == "lan0");
  CHECK(nameAt(book, 1, {0, 5, 500}) == "eth0");  // its block was taken before the event was read
  CHECK(nameAt(book, 1, {1, 10, 100}) == "eth0" && nameAt(book, 1, {1, 10, 101}) == "lan0");
  CHECK(nameAt(book, 1, {1, 11, 7}) == "lan0");  // whatever its time: the block holds no packet from before the event
  CHECK(!book.isSteady({0, 10}) && book.isSteady({0, 11}) && book.isSteady({1, 1}));
}

TEST(aNameGivenWhileTheDeviceIsDownHoldsForAllItReceives) {
  InterfaceBook book;
  (void)book.enter({added(device(1, 1, "tmp1", 0))}, {100, {10}});
  (void)book.enter({renamed(device(1, 1, "veth1", 0)), changed(device(1, 1, "veth1"))}, {200, {10}});
  CHECK(nameAt(book, 1, {3, 1, 150}) == "veth1" && nameAt(book, 1, {3, 1, 250}) == "veth1");
  // A rename while the device is up applies from the time it is read; a later rename while it is down, from when it
  // went down.
  (void)book.enter({renamed(device(1, 1, "veth2"))}, {300, {10}});
  (void)book.enter({changed(device(1, 1, "veth2", 0))}, {400, {10}});
  (void)book.enter({renamed(device(1, 1, "veth3", 0))}, {500, {10}});
  (void)book.enter({changed(device(1, 1, "veth3"))}, {600, {10}});
  CHECK(nameAt(book, 1, {7, 1, 250}) == "veth1" && nameAt(book, 1, {7, 1, 350}) == "veth2");
  CHECK(nameAt(book, 1, {7, 1, 450}) == "veth3" && nameAt(book, 1, {7, 1, 650}) == "veth3");
}

TEST(anAlternativeNameGivenWhileTheDeviceIsDownIsSeenWhenItComesUp) {
  InterfaceBook book;
  (void)book.add(device(1, 1, "eth0"));
  (void)book.enter({changed(device(1, 1, "eth0", 0))}, {200, {10}});
  InterfaceInfo named = device(1, 1, "eth0");
  named.alternativeNames = {"uplink"};
  const auto events = book.enter({changed(named)}, {300, {10}});
  CHECK(events[0].from.time == 200);
  const auto namesAt = [&](std::uint64_t time) { return book.resolve(1, {{0, 1}, 2}, time)->alternativeNames.size(); };
  CHECK(namesAt(150) == 0 && namesAt(250) == 1 && namesAt(350) == 1);
}

TEST(anIndexThatIsUsedAgainHasAnotherGeneration) {
  InterfaceBook book;
  using enum InterfaceBook::Presence;
  CHECK(book.presence(1) == Unknown && !book.latest(1));
  (void)book.add(device(1, 1, "old"));
  const auto gone = book.enter({removed(device(1, 1, "old"))}, {100, {10}});
  CHECK(book.presence(1) == Gone && book.latest(1) == gone[0].current && gone[0].current->name == "old");
  CHECK(nameAt(book, 1, {1, 5, 50}) == "old");
  (void)book.enter({added(device(1, 2, "new"))}, {200, {10}});
  CHECK(book.presence(1) == Present && nameAt(book, 1, {2, 5, 50}) == "new" && nameAt(book, 1, {1, 5, 50}) == "old");
  CHECK(book.latest({1, 1})->name == "old" && book.latest({1, 2})->name == "new");
  CHECK(!book.latest({1, 3}) && !book.latest({2, 1}));
  // The removal of an earlier device does not remove the current one.
  (void)book.enter({removed(device(1, 1, "old"))}, {300, {10}});
  CHECK(book.presence(1) == Present && book.epoch() == 3);
}

TEST(anUnknownIndexIsNameless) {
  InterfaceBook book;
  CHECK(nameAt(book, 9, {0, 1, 5}).empty());
  CHECK(book.resolve(9, {{0, 1}, 0}, 5)->index == 9 && book.resolve(9, {{0, 1}, 0}, 5)->generation == 0);
}

TEST(aBoundedNumberOfDevicesIsKept) {
  InterfaceBook book;
  for (std::uint32_t i = 1; i <= 4097; ++i) {
    (void)book.enter({added(device(i, i, "one")), removed(device(i, i, "one"))}, {i, {i}});
  }
  CHECK(!book.latest(1) && book.latest(2) && book.latest(4097));
  (void)book.add(device(1, 5000, "many"));
  for (std::uint32_t i = 0; i < 100; ++i) {
    (void)book.enter({renamed(device(1, 5000, "name" + std::to_string(i)))}, {i, {1}});
  }
  CHECK(book.candidates(1, {{0, 1}, ~std::uint64_t{0}}).size() == 64);
}
