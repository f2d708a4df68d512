// A device in the selection table: which decision applies to a packet, and which device its packets are counted for.
#include "core/ledger/tracked_interface.h"

#include "support/check.h"

using namespace ringtap;

namespace {

TrackedInterface eth0(Verdict verdict = Verdict::Pending, std::uint64_t epoch = 1,
                      const std::optional<DeviceLosses>& losses = {}) {
  InterfaceInfo info;
  info.index = 7;
  info.generation = 3;
  info.name = "eth0";
  return {std::make_shared<const InterfaceInfo>(info), epoch, verdict, losses};
}

bool is(const PacketVerdict& decision, std::uint64_t epoch, std::uint64_t since, std::uint64_t until) {
  return decision.epoch == epoch && decision.since == since && decision.until == until;
}

constexpr std::uint64_t kEnd = ~std::uint64_t{0};

}  // namespace

TEST(aPacketIsJudgedByTheVerdictOfItsTime) {
  TrackedInterface device = eth0();
  CHECK(is(device.verdicts.on({0, 1}, 0), 1, 0, kEnd) && is(device.verdicts.on({0, 1}, kEnd), 1, 0, kEnd));
  device.verdicts.ask(4, {100, {1000}}, {});
  device.verdicts.ask(9, {200, {1000}}, {});
  CHECK(is(device.verdicts.on({0, 1}, 100), 1, 0, 100));
  CHECK(is(device.verdicts.on({0, 1}, 101), 4, 100, 200) && is(device.verdicts.on({0, 1}, 200), 4, 100, 200));
  CHECK(is(device.verdicts.on({0, 1}, 201), 9, 200, kEnd));
  // Answers may come in any order; answers for epochs without a question are ignored.
  device.verdicts.answer(9, true);
  device.verdicts.answer(1, false);
  device.verdicts.answer(5, true);
  CHECK(device.verdicts.on({0, 1}, 100).verdict == Verdict::Unselected);
  CHECK(device.verdicts.on({0, 1}, 150).verdict == Verdict::Pending);
  CHECK(device.verdicts.now() == Verdict::Selected);
  CHECK(device.verdicts.at(0) == Verdict::Unselected && device.verdicts.at(3) == Verdict::Unselected);
  CHECK(device.verdicts.at(4) == Verdict::Pending && device.verdicts.at(8) == Verdict::Pending);
  CHECK(device.verdicts.at(9) == Verdict::Selected && device.verdicts.at(1000) == Verdict::Selected);
}

TEST(theLatestVerdictsAreKept) {
  TrackedInterface device = eth0(Verdict::Selected, 0);
  for (std::uint64_t epoch = 1; epoch <= 100; ++epoch) device.verdicts.ask(epoch, {10 * epoch, {1000}}, {});
  CHECK(is(device.verdicts.on({0, 1}, 5), 37, 0, 380));  // 64 decisions are kept
  CHECK(is(device.verdicts.on({0, 1}, 381), 38, 380, 390));
  device.verdicts.answer(36, true);
  CHECK(device.verdicts.at(36) == Verdict::Pending);
}

TEST(kernelCountsAreAssignedLikeThePackets) {
  const auto old = std::make_shared<TrackedInterface>(eth0());
  const auto next = std::make_shared<TrackedInterface>(eth0());
  const auto received = [](const TrackedInterface& device, const KernelCounts& counts = {}) {
    return device.report(counts, {}).received;
  };
  CHECK(!received(*old) && received(*old, {5, 0}) == 5);
  old->counts.stats.taken = 2;
  old->counts.lateRefused = 1;
  CHECK(received(*old, {5, 0}) == 4);
  old->leave({8, 2}, {}, {10, 20});  // five of them are still in the ring
  CHECK(received(*old) == 7 && old->report({100, 100}, {}).duplicates == 2 && !old->present());
  TrackedInterface::follow(next, old);
  next->counts.inherit({0, 11}, 3);  // behind the positions of both rings, and of a ring that did not exist
  next->counts.inherit({1, 21}, 3);
  next->counts.inherit({2, 1}, 3);
  CHECK(received(*old) == 7 && received(*next, {0, 0}) == 0);
  next->counts.inherit({0, 10}, 3);
  CHECK(received(*old) == 4 && received(*next, {0, 0}) == 3);
  next->counts.inherit({1, 20}, 4);  // two of these came later
  CHECK(received(*old) == 2 && received(*next, {2, 0}) == 7);
  next->counts.inherit({0, 1}, 9);
  CHECK(received(*old) == 2 && received(*next, {11, 0}) == 16);
  next->leave({11, 0}, {}, {30});
  CHECK(received(*next) == 16);
}

// Removed, added and removed again before a packet of the first device was taken.
TEST(kernelCountsAreAssignedToRemovedDevicesToo) {
  const auto old = std::make_shared<TrackedInterface>(eth0());
  const auto next = std::make_shared<TrackedInterface>(eth0());
  const auto last = std::make_shared<TrackedInterface>(eth0());
  old->leave({50, 0}, {}, {10});
  TrackedInterface::follow(next, old);
  next->leave({2, 0}, {}, {12});
  next->counts.inherit({0, 9}, 30);
  next->counts.stats.taken = 30;
  CHECK(old->report({}).received == 20 && next->report({}).received == 32);
  TrackedInterface::follow(last, next);  // added once more: inherits 2 from one and 20 from the other
  last->counts.inherit({0, 10}, 25);
  CHECK(old->report({}).received == 0 && next->report({}).received == 30);
  CHECK(last->report({3, 0}, {}).received == 25);
}

TEST(aBoundedNumberOfEarlierDevicesIsKept) {
  auto latest = std::make_shared<TrackedInterface>(eth0());
  const std::weak_ptr<TrackedInterface> first = latest;
  for (int i = 1; i <= 65; ++i) {
    latest->leave({1, 0}, {}, {1000});  // its packet stays in the ring
    auto next = std::make_shared<TrackedInterface>(eth0());
    TrackedInterface::follow(next, std::exchange(latest, next));
    CHECK(first.expired() == (i == 65));
  }
}

TEST(lossesCountFromTheFirstSelection) {
  const auto counted = [](std::uint64_t dropped) { return DeviceLosses{.dropped = dropped}; };
  TrackedInterface device = eth0(Verdict::Pending, 1, counted(10));
  device.verdicts.answer(1, false);
  const auto lossesAt = [&](const std::optional<DeviceLosses>& now) {
    if (device.present()) device.updateLosses(now);
    return device.report({}).losses;
  };
  CHECK(!lossesAt(counted(15)));
  device.verdicts.ask(2, {50, {1000}}, counted(20));
  device.verdicts.answer(2, true);
  device.verdicts.ask(3, {60, {1000}}, counted(30));
  device.verdicts.answer(3, true);
  CHECK(lossesAt(counted(35))->dropped == 15 && !lossesAt({}));
  device.leave({}, counted(40), {});
  CHECK(lossesAt(counted(99))->dropped == 20);
  CHECK(device.report({}).name == "eth0" && !device.report({}).present && device.report({}).selected);
}
