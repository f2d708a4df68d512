// The threads of a capture and of its users: what may run at the same time does, leases outlive the capture, and
// closing leaves nothing open. Run it under the sanitizers, above all ThreadSanitizer.
#include <dirent.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "core/capture/capture.h"
#include "core/filter/filter.h"
#include "support/check.h"
#include "support/consumer.h"
#include "support/filter_modes.h"
#include "support/small_capture.h"

using namespace ringtap;
using support::addPair;
using support::checkBalance;
using support::Consumer;
using support::filterModes;
using support::ip;
using support::lost;
using support::Sender;
using support::sendInSteps;
using support::small;
using support::smallPcap;

namespace {

// Filters that all accept the frames of these tests.
std::vector<FilterSpec> acceptingFilters(const FilterSpec& like) {
  std::vector<FilterSpec> filters;
  for (const char* expression : {"udp", "greater 10", "not tcp and not arp"}) {
    FilterSpec spec = like;
    auto compiled = compileForLinkTypes(expression, spec.snapshotLength, FilterInput::Memory);
    CHECK(compiled.ok());
    if (!compiled.ok()) continue;
    spec.filtered = true;
    spec.programs = std::move(compiled->filters);
    filters.push_back(std::move(spec));
  }
  return filters;
}

// Replaces a capture's filter again and again, each time after the previous one has been enforced.
class FilterReplacer {
 public:
  explicit FilterReplacer(std::vector<FilterSpec> filters) : filters_(std::move(filters)) {}

  // Until it is called, step() does nothing.
  void use(Capture& capture) { capture_ = &capture; }
  // On the consumer's thread.
  void step() {
    Capture* capture = capture_;
    if (capture == nullptr) return;
    if (draining_) {
      if (!capture->oldFilterDrained()) return;
      capture->enforceFilter();
      draining_ = false;
      return;
    }
    CHECK(capture->setFilter(filters_[replaced_++ % filters_.size()]).ok());
    draining_ = true;
  }
  // Call after the consumer has ended.
  [[nodiscard]] std::size_t replaced() const { return replaced_; }

 private:
  const std::vector<FilterSpec> filters_;
  std::atomic<Capture*> capture_{nullptr};
  std::size_t replaced_ = 0;
  bool draining_ = false;
};

bool isLoopback(const InterfaceInfo& info) { return (info.flags & IFF_LOOPBACK) != 0; }

std::size_t openDescriptors() {
  std::size_t count = 0;
  if (DIR* directory = ::opendir("/proc/self/fd")) {
    while (::readdir(directory) != nullptr) ++count;
    ::closedir(directory);
  }
  return count;
}

}  // namespace

// The maximum concurrency in one program: rings and their threads, a consumer that holds blocks until they are evicted
// and replaces the filter meanwhile, interfaces that are added, removed and renamed, and a thread that reads
// statistics.
TEST(filterChangesUnderTrafficLoseNothing) {
  for (const FilterMode mode : filterModes()) {
    addPair("near0", "far0");
    CaptureConfig config = small(mode);
    config.layout.count = 2;
    config.promiscuous = true;
    auto filters = acceptingFilters(config.filter);
    CHECK(filters.size() == 3);
    if (filters.size() != 3) return;
    FilterReplacer replacer(std::move(filters));
    Consumer consumer(config, {.wants = [](const InterfaceInfo& info) { return info.name.starts_with("near"); },
                               .hold = 12,
                               .pace = [&replacer] { replacer.step(); }});
    if (!consumer.running()) return;
    replacer.use(consumer.capture());
    std::atomic<bool> done{false};
    std::thread asking([&] {
      while (!done) {
        (void)consumer.capture().ledgerAfter(~std::uint64_t{0});  // not stats(): it may run on one thread only
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
    CHECK(replacer.replaced() > 2);
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
    config.layout.count = 1 + round % 2;
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
