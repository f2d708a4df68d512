// The whole core on live interfaces, without Node: every packet of a selected interface is delivered once, in each
// filter mode, through one ring or several, or libpcap, and while interfaces appear, go and are renamed. Run it under
// the sanitizers, above all ThreadSanitizer, to check the threads.
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "core/bpf/attach.h"
#include "core/capture/capture.h"
#include "core/capture/intake/packet_socket.h"
#include "core/filter/filter.h"
#include "core/util/clock.h"
#include "core/util/unique_fd.h"
#include "support/check.h"
#include "support/consumer.h"
#include "support/eventually.h"
#include "support/filter_modes.h"
#include "support/small_capture.h"

using namespace ringtap;
using support::addPair;
using support::checkBalance;
using support::Consumer;
using support::eventually;
using support::filterModes;
using support::indexOf;
using support::ip;
using support::Sender;
using support::sendInSteps;
using support::small;
using support::smallOwnRings;
using support::smallPcap;

namespace {

// Makes 0 the number of the next group for which the kernel chooses one: the first after the system's start, and one in
// 65536. The numbers count up, in all namespaces together, also for sockets that are refused because they are not bound
// (fanout_add(), net/packet/af_packet.c).
void makeGroupZeroNext() {
  const int unique = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
  const auto ask = [&](const UniqueFd& socket) {
    return ::setsockopt(socket.get(), SOL_PACKET, PACKET_FANOUT, &unique, sizeof unique) == 0;
  };
  const UniqueFd bound(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  CHECK(refusePackets(bound.get()).ok() && bindToInterface(bound.get(), 0).ok() && ask(bound));
  int last = 0;
  socklen_t length = sizeof last;
  CHECK(::getsockopt(bound.get(), SOL_PACKET, PACKET_FANOUT, &last, &length) == 0);
  const UniqueFd refused(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  for (int id = (last & 0xffff) + 1; id < 0x1'0000; ++id) CHECK(!ask(refused));
}

// All configurations: one for each filter mode, one with a ring for each interface, and one for libpcap.
std::vector<CaptureConfig> ways() {
  std::vector<CaptureConfig> configs;
  for (const FilterMode mode : filterModes()) configs.push_back(small(mode));
  configs.push_back(smallOwnRings());
  configs.push_back(smallPcap());
  return configs;
}

}  // namespace

TEST(everyPacketOfEveryInterfaceIsDeliveredOnce) {
  for (const FilterMode mode : filterModes()) {
    for (int i = 0; i < 3; ++i) addPair("near" + std::to_string(i), "far" + std::to_string(i));
    Consumer consumer(small(mode), {.wants = [](const InterfaceInfo& info) { return info.name.starts_with("near"); }});
    if (!consumer.running()) return;
    CHECK(consumer.capture().filterMode() == mode);
    std::map<std::uint32_t, std::uint16_t> labels;
    const auto exchange = [&](int number, std::uint64_t count) {
      const std::string name = std::to_string(number);
      const auto label = static_cast<std::uint16_t>(number);
      labels[indexOf("near" + name)] = label;
      sendInSteps(consumer, "far" + name, count, {}, label);
      sendInSteps(consumer, "near" + name, count, {}, label);
    };
    for (int i = 0; i < 3; ++i) exchange(i, 2000);
    // These appear during the capture and send as soon as they are up.
    for (int i = 3; i < 9; ++i) {
      addPair("near" + std::to_string(i), "far" + std::to_string(i));
      exchange(i, 50);
    }
    consumer.finish();
    for (const auto& [index, label] : labels) {
      const std::uint64_t count = label < 3 ? 2000 : 50;
      CHECK(consumer.tally().exactly(index, false, label, count));
      CHECK(consumer.tally().exactly(index, true, label, count));
    }
    CHECK(consumer.tally().total() == 2 * (3 * 2000 + 6 * 50));
    checkBalance(consumer);
    for (int i = 0; i < 9; ++i) ip("link del near" + std::to_string(i));
  }
}

TEST(bothFilterModesAcceptTheSamePackets) {
  addPair("near0", "far0");
  addPair("near1", "far1");
  for (const char* expression : {"", "udp port 9", "udp src port 10", "not ip", "len > 100", "ip[8] = 64 and udp"}) {
    for (const Direction direction : {Direction::Both, Direction::In, Direction::Out}) {
      std::vector<support::Tally> tallies;
      for (const FilterMode mode : filterModes()) {
        CaptureConfig config = small(mode);
        config.filter.direction = direction;
        if (*expression != '\0') {
          auto compiled = compileForLinkTypes(expression, config.filter.snapshotLength, FilterInput::Memory);
          CHECK(compiled.ok());
          if (!compiled.ok()) continue;
          config.filter.filtered = true;
          config.filter.programs = std::move(compiled->filters);
        }
        Consumer consumer(config, {.wants = [](const InterfaceInfo& info) { return info.name != "near1"; }});
        if (!consumer.running()) return;
        Sender sender;
        frames::Shape large;
        large.size = 200;
        large.port = 10;
        for (const char* name : {"near0", "far0", "near1", "far1", "lo"}) {
          sender.send(name, 0, 40, static_cast<std::uint16_t>(indexOf(name)));
          sender.send(name, 40, 40, static_cast<std::uint16_t>(indexOf(name)), large);
        }
        consumer.finish();
        checkBalance(consumer);
        const bool both = *expression == '\0' && direction == Direction::Both;
        // Loopback frames are captured once; near1 is not captured, but far1 receives its frames.
        if (both) CHECK(consumer.tally().total() == 80 * (2 + 2 + 1 + 1 + 1));
        CHECK(!consumer.tally().anyTwice());
        tallies.push_back(consumer.tally());
      }
      if (tallies.size() == 2) CHECK(tallies[0] == tallies[1]);
    }
  }
  ip("link del near0");
  ip("link del near1");
}

TEST(severalRingsShareTheTraffic) {
  addPair("near0", "far0");
  for (const bool zero : {false, true}) {
    if (zero) makeGroupZeroNext();
    CaptureConfig config = small();
    config.layout.count = 3;
    Consumer consumer(config, {.wants = [](const InterfaceInfo& info) { return info.name == "near0"; }});
    if (!consumer.running()) return;
    frames::Shape shape;
    shape.flows = 64;
    sendInSteps(consumer, "far0", 6000, shape);
    consumer.finish();
    CHECK(consumer.tally().exactly(indexOf("near0"), false, 0, 6000));
    CHECK(consumer.capture().stats().received == 6000);
    checkBalance(consumer);
  }
  ip("link del near0");
}

TEST(interfacesThatAppearGoAndAreRenamedAreFollowed) {
  for (const CaptureConfig& config : ways()) {
    addPair("near0", "far0");
    Consumer consumer(config, {.wants = [](const InterfaceInfo& info) { return info.name.starts_with("near"); }});
    if (!consumer.running()) return;
    std::atomic<bool> done{false};
    std::thread asking([&] {
      while (!done) {
        const CaptureStats stats = consumer.capture().stats();
        CHECK(stats.received >= stats.table.delivered + stats.table.unselected);
        std::this_thread::yield();
      }
    });
    std::thread speaking([&] {
      Sender sender;
      sender.send("far0", 0, 4000);
    });
    for (int round = 0; round < 6; ++round) {
      addPair("near1", "far1");
      Sender sender;
      sender.send("far1", 0, 20, static_cast<std::uint16_t>(100 + round));
      ip("link set dev near1 name other1");  // no longer selected
      ip("link set dev other1 name near1");
      ip("link del near1");
    }
    speaking.join();
    consumer.finish();
    done = true;
    asking.join();
    CHECK(consumer.tally().exactly(indexOf("near0"), false, 0, 4000));
    CHECK(!consumer.tally().anyTwice());
    checkBalance(consumer);
    ip("link del near0");
  }
}

// Simulates a machine clock set back by an hour after a rename: the event's time is later than that of any packet that
// follows.
TEST(aClockSetBackAfterARenameChangesNoVerdict) {
  for (const FilterMode form : filterModes()) {
    addPair("near0", "far0");
    CaptureConfig config = small(form);
    config.clock = [] { return realNow() + 3'600'000'000'000; };
    Consumer consumer(config, {.wants = [](const InterfaceInfo& info) { return info.name == "lan0"; }});
    if (!consumer.running()) return;
    const std::uint32_t index = indexOf("near0");
    ip("link set near0 name lan0");
    const auto ledger = [&] {
      for (const InterfaceStats& one : consumer.capture().stats().table.interfaces) {
        if (one.index == index) return one;
      }
      return InterfaceStats{};
    };
    CHECK(eventually([&] { return ledger().selected; }));
    // Fills the ring past the blocks it held at the rename: each of these frames is in a block of its own.
    Sender sender;
    std::uint64_t sent = 0;
    for (std::uint32_t block = 0; block < config.ring.blockCount + 2; ++block) {
      sender.send("far0", 0, 1, 1);
      ++sent;
      CHECK(eventually([&] { return ledger().taken == sent; }));
    }
    sender.send("far0", 0, 500, 2);
    consumer.finish();
    CHECK(consumer.tally().exactly(index, false, 2, 500));
    checkBalance(consumer);
    ip("link del lan0");
  }
}
