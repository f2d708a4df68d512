// The whole core on live interfaces, without Node: every packet is delivered once, losses are counted, and operations
// that may run concurrently do. Run it under the sanitizers, above all ThreadSanitizer, to check the threads.
#include <dirent.h>

#include <algorithm>
#include <atomic>

#include "core/bpf/filter.h"
#include "core/capture/capture.h"
#include "support/check.h"
#include "support/consumer.h"
#include "support/eventually.h"
#include "support/filter_modes.h"

using namespace ringtap;
using support::addPair;
using support::Consumer;
using support::eventually;
using support::filterModes;
using support::indexOf;
using support::ip;
using support::Sender;

namespace {

CaptureConfig small(FilterMode mode = FilterMode::Auto) {
  CaptureConfig config;
  config.ring.blockSize = 1u << 18;
  config.ring.blockCount = 8;
  config.ring.maxDelayMilliseconds = 10;
  config.overflowMemory = std::size_t{16} << 20;
  config.hotplug = true;
  config.filterMode = mode;
  return config;
}

// The same configuration through libpcap.
CaptureConfig smallPcap() {
  CaptureConfig config = small();
  config.backend = Backend::Pcap;
  config.pcap.memory = std::size_t{128} << 20;
  return config;
}

// A configuration with a ring for each interface.
CaptureConfig smallOwnRings() {
  CaptureConfig config = small();
  config.ringCount = 3;
  config.sharing = Sharing::ByProgram;
  return config;
}

// All configurations: one for each filter mode, one with a ring for each interface, and one for libpcap.
std::vector<CaptureConfig> ways() {
  std::vector<CaptureConfig> configs;
  for (const FilterMode mode : filterModes()) configs.push_back(small(mode));
  configs.push_back(smallOwnRings());
  configs.push_back(smallPcap());
  return configs;
}

bool isLoopback(const InterfaceInfo& info) { return (info.flags & IFF_LOOPBACK) != 0; }

std::uint64_t lost(const CaptureStats& stats) { return stats.loops.ringDrops + stats.loops.overflowDrops; }

void checkBalance(Consumer& consumer) {
  const CaptureStats stats = consumer.capture().stats();
  CHECK(stats.received == stats.table.delivered + lost(stats) + stats.table.unselected);
  CHECK(stats.table.queued == 0 && stats.table.malformed == 0);
  CHECK(stats.table.delivered == consumer.packets());
  CHECK(stats.overflowUsed == 0);
  CHECK(consumer.faults() == 0);
  if (lost(stats) > 0) return;
  for (const InterfaceStats& one : stats.table.interfaces) {
    if (one.received) CHECK(*one.received == one.delivered + one.unselected);
  }
}

std::uint64_t taken(Consumer& consumer) {
  const auto stats = consumer.capture().stats().table;
  return stats.delivered + stats.queued + stats.unselected + lost(consumer.capture().stats());
}

// Sends frames no faster than the loop reads them, however long it waits for a processor: each step is taken from the
// ring, or counted as lost, before the next is sent.
void sendInSteps(Consumer& consumer, const std::string& name, std::uint64_t count, const frames::Shape& shape = {},
                 std::uint16_t label = 0) {
  Sender sender;
  const std::uint64_t before = taken(consumer);
  for (std::uint64_t sent = 0; sent < count; sent += 200) {
    const std::uint64_t step = std::min<std::uint64_t>(200, count - sent);
    sender.send(name, sent, step, label, shape);
    while (taken(consumer) - before < sent + step) std::this_thread::yield();
  }
}

std::size_t openDescriptors() {
  std::size_t count = 0;
  if (DIR* directory = ::opendir("/proc/self/fd")) {
    while (::readdir(directory) != nullptr) ++count;
    ::closedir(directory);
  }
  return count;
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

TEST(heldBlocksAreEvictedAndStayReadable) {
  addPair("near0", "far0");
  CaptureConfig config = small();
  config.ring.blockSize = 1u << 16;  // many small blocks: a quarter of them is kept free for the kernel
  config.ring.blockCount = 32;
  Consumer consumer(config,
                    {.wants = [](const InterfaceInfo& info) { return info.name == "near0"; }, .holdToTheEnd = true});
  if (!consumer.running()) return;
  frames::Shape shape;
  shape.size = 1000;
  sendInSteps(consumer, "far0", 8000, shape);  // four times the capacity of the ring
  consumer.finish();
  CHECK(consumer.tally().exactly(indexOf("near0"), false, 0, 8000));
  CHECK(consumer.capture().stats().loops.evicted > 0);
  CHECK(lost(consumer.capture().stats()) == 0);
  checkBalance(consumer);
  ip("link del near0");
}

TEST(everyLossIsCounted) {
  addPair("near0", "far0");
  for (const std::size_t overflow : {std::size_t{0}, std::size_t{1} << 20}) {
    CaptureConfig config = small();
    config.overflowMemory = overflow;
    Consumer consumer(config,
                      {.wants = [](const InterfaceInfo& info) { return info.name == "near0"; }, .holdToTheEnd = true});
    if (!consumer.running()) return;
    frames::Shape shape;
    shape.size = 1000;
    sendInSteps(consumer, "far0", 8000, shape);
    consumer.finish();
    const CaptureStats stats = consumer.capture().stats();
    CHECK(stats.received == 8000 && lost(stats) > 0 && lost(stats) < 8000);
    CHECK((stats.loops.overflowDrops > 0) == (overflow > 0));
    CHECK(!consumer.tally().anyTwice());
    checkBalance(consumer);
  }
  ip("link del near0");
}

TEST(severalRingsShareTheTraffic) {
  addPair("near0", "far0");
  CaptureConfig config = small();
  config.ringCount = 3;
  Consumer consumer(config, {.wants = [](const InterfaceInfo& info) { return info.name == "near0"; }});
  if (!consumer.running()) return;
  frames::Shape shape;
  shape.flows = 64;
  sendInSteps(consumer, "far0", 6000, shape);
  consumer.finish();
  CHECK(consumer.tally().exactly(indexOf("near0"), false, 0, 6000));
  checkBalance(consumer);
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

// The maximum concurrency in one program: rings and their threads, a consumer that holds blocks until they are evicted
// and replaces the filter meanwhile, interfaces that are added, removed and renamed, and a thread that reads
// statistics.
TEST(filterChangesUnderTrafficLoseNothing) {
  for (const FilterMode mode : filterModes()) {
    addPair("near0", "far0");
    CaptureConfig config = small(mode);
    config.ringCount = 2;
    config.promiscuous = true;
    // All of these filters accept the frames of this test.
    std::vector<FilterSpec> filters;
    for (const char* expression : {"udp", "greater 10", "not tcp and not arp"}) {
      FilterSpec spec = config.filter;
      auto compiled = compileForLinkTypes(expression, spec.snapshotLength, FilterInput::Memory);
      CHECK(compiled.ok());
      if (!compiled.ok()) return;
      spec.filtered = true;
      spec.programs = std::move(compiled->filters);
      filters.push_back(std::move(spec));
    }
    std::atomic<Capture*> open{nullptr};
    std::size_t replaced = 0;
    bool settling = false;
    const auto replace = [&] {
      Capture* capture = open;
      if (capture == nullptr) return;
      if (settling) {
        if (!capture->oldFilterDrained()) return;
        capture->enforceFilter();
        settling = false;
        return;
      }
      CHECK(capture->setFilter(filters[replaced++ % filters.size()]).ok());
      settling = true;
    };
    Consumer consumer(config, {.wants = [](const InterfaceInfo& info) { return info.name.starts_with("near"); },
                               .hold = 12,
                               .pace = replace});
    if (!consumer.running()) return;
    open = &consumer.capture();
    std::atomic<bool> done{false};
    std::thread asking([&] {
      while (!done) {
        (void)consumer.capture().ledgerAfter(~std::uint64_t{0});  // not figures(): it may run on one thread only
        std::this_thread::yield();
      }
    });
    std::thread changing([&] {
      for (int round = 0; round < 4; ++round) {
        addPair("near1", "far1");
        ip("link set dev near1 name other1");
        ip("link set dev other1 name near1");
        ip("link del near1");
      }
    });
    frames::Shape shape;
    shape.flows = 64;
    shape.size = 1000;
    sendInSteps(consumer, "far0", 6000, shape);
    changing.join();
    consumer.finish();
    done = true;
    asking.join();
    // While a thread waits for a processor, rings this small wrap around to blocks still held: the frames lost are
    // counted.
    CHECK(!consumer.tally().anyTwice());
    CHECK(consumer.tally().total() + lost(consumer.capture().stats()) == 6000);
    CHECK(consumer.capture().stats().loops.evicted > 0);
    CHECK(replaced > 2);
    checkBalance(consumer);
    ip("link del near0");
  }
}

TEST(leasesOutliveTheCaptureAndEndAtAnyTime) {
  addPair("near0", "far0");
  for (int round = 0; round < 12; ++round) {
    const bool pcap = round % 3 == 2;
    CaptureConfig config = pcap ? smallPcap() : small();
    config.ring.blockCount = 4;
    config.overflowMemory = std::size_t{pcap ? 2048u : 512u} << 10;  // soon exhausted: a lease that ends wakes the loop
    Consumer consumer(config,
                      {.wants = [](const InterfaceInfo& info) { return !isLoopback(info); }, .holdToTheEnd = true});
    if (!consumer.running()) return;
    Sender sender;
    frames::Shape shape;
    shape.size = 1000;
    sender.send("far0", 0, 1500, 0, shape);
    while (consumer.capture().stats().table.delivered == 0) std::this_thread::yield();
    consumer.abandon();
    std::unique_ptr<Capture> capture = consumer.takeCapture();
    std::thread closing([&] { capture.reset(); });
    std::uint64_t packets = 0;
    while (!consumer.held().empty()) {
      support::eachPacket(consumer.held().front(), [&](const Record& record) {
        packets += support::stampOf(record.data(), record.header->tp_snaplen) ? 1 : 0;
      });
      consumer.held().pop_front();
    }
    closing.join();
    CHECK(packets > 0);
  }
  ip("link del near0");
}

TEST(closingAtAnyStageLeavesNothingOpen) {
  addPair("near0", "far0");
  std::size_t before = 0;
  for (int round = 0; round < 40; ++round) {
    if (round == 8) before = openDescriptors();
    auto monitor = InterfaceMonitor::open();
    CHECK(monitor.ok());
    if (!monitor.ok()) return;
    CaptureConfig config = round / 4 % 2 == 0 ? small() : smallPcap();
    config.ringCount = 1 + round % 2;
    auto capture = Capture::open(config, std::move(*monitor), [] {});
    CHECK(capture.ok());
    if (!capture.ok()) return;
    if (round % 4 > 0) CHECK(capture.value()->start().ok());
    if (round % 4 > 1) Sender().send("far0", 0, 10);
    if (round % 4 > 2) capture.value()->drain();
    capture.value()->close();
    capture.value()->close();
    (void)capture.value()->stats();
  }
  CHECK(openDescriptors() == before);
  ip("link del near0");
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
