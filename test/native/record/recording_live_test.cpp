// Recording and sending with all their threads at the same time, without Node: the loops, a consumer, the recorder, and
// threads that start, stop and query. Mainly for ThreadSanitizer.
#include <atomic>
#include <thread>

#include "core/capture/capture.h"
#include "core/record/batch_target.h"
#include "core/record/file_target.h"
#include "core/savefile/savefile_source.h"
#include "core/send/injector.h"
#include "core/send/replay_sender.h"
#include "support/backlog.h"
#include "support/check.h"
#include "support/consumer.h"
#include "support/eventually.h"
#include "support/filter_modes.h"
#include "support/folder.h"

using namespace ringtap;
using namespace std::chrono_literals;
using support::addPair;
using support::Consumer;
using support::eventually;
using support::Folder;
using support::ip;
using support::Sender;

namespace {

std::vector<CaptureConfig> ways() {
  CaptureConfig config;
  config.ring.blockSize = 1u << 18;
  config.ring.blockCount = 32;
  config.ring.maxDelayMilliseconds = 10;
  config.overflowMemory = std::size_t{4} << 20;
  config.hotplug = true;
  std::vector<CaptureConfig> configs;
  for (const FilterMode mode : support::filterModes()) {
    for (const std::uint32_t rings : {1u, 2u}) {
      config.filterMode = mode;
      config.layout.count = rings;
      configs.push_back(config);
    }
  }
  config.backend = Backend::Pcap;
  config.layout.count = 1;
  config.pcap.memory = std::size_t{128} << 20;
  configs.push_back(config);
  return configs;
}

std::shared_ptr<Recorder> begin(Capture& capture, std::shared_ptr<RecordingTarget> target, RecordingForm form) {
  auto recorder = std::make_shared<Recorder>(RecorderOptions{std::move(form), "udp"}, std::move(target));
  const auto begun = capture.record(recorder);
  CHECK(begun.ok());
  return recorder;
}

std::shared_ptr<Recorder> begin(Capture& capture, const std::string& path, std::uint64_t rotatePackets,
                                std::shared_ptr<FileTarget>* target = nullptr) {
  auto files = FileTarget::open({.path = path});
  CHECK(files.ok());
  if (target != nullptr) *target = *files;
  return begin(capture, *files, {.rotatePackets = rotatePackets});
}

std::uint64_t lost(Capture& capture) {
  const LoopStats loops = capture.stats().loops;
  return loops.ringDrops + loops.overflowDrops;
}

bool isNear(const InterfaceInfo& info) { return info.name.starts_with("near"); }

}  // namespace

TEST(recordingUnderChangesLosesNothing) {
  for (const CaptureConfig& config : ways()) {
    const Folder folder;
    addPair("near0", "far0");
    Consumer consumer(config, {.wants = isNear});
    if (!consumer.running()) return;
    Capture& capture = consumer.capture();
    capture.listen(true);
    std::shared_ptr<FileTarget> files;
    const auto first = begin(capture, folder.file("a-%i.pcapng"), 700, &files);
    constexpr std::uint64_t kCount = 20'000;
    std::atomic<bool> sent{false};
    std::atomic<int> bursts{0};
    std::thread speaking([&] {
      Sender sender;
      for (std::uint64_t number = 0; number < kCount; number += 500) {
        sender.send("far0", number, 500);
        while (consumer.capture().stats().table.queued > 2000) std::this_thread::yield();
        ++bursts;
      }
      sent = true;
    });
    std::thread changing([&] {
      for (int i = 0; !sent; ++i) {
        addPair("near1", "far1");
        ip("link set near1 down");
        ip("link set near1 name near2");
        ip("link del near2");
      }
    });
    while (!sent) {
      CHECK(capture.setFilter({}, "all").ok());
      while (!capture.oldFilterDrained() && !sent) std::this_thread::sleep_for(1ms);
      capture.enforceFilter();
      (void)first->stats();
      while (files->nextFile()) {
      }
      const int before = bursts;
      while (bursts == before && !sent) std::this_thread::sleep_for(1ms);
    }
    speaking.join();
    changing.join();
    support::drainBacklog();
    capture.stopRecording();
    CHECK(eventually([&] { return first->ended(); }));
    const RecorderStats recorded = first->stats();
    // A loop that waits long for a processor loses packets and counts them.
    CHECK(recorded.packets + recorded.dropped + lost(capture) == kCount);
    CHECK(recorded.files >= recorded.packets / 700);

    // A second recording, during which the capture is drained.
    const auto second = begin(capture, folder.file("b-%i.pcapng"), 0);
    Sender().send("far0", kCount, 1000);
    consumer.finish();
    CHECK(eventually([&] { return second->ended(); }));
    const std::uint64_t written = recorded.packets + second->stats().packets;
    CHECK(written + recorded.dropped + second->stats().dropped + lost(capture) == kCount + 1000);
    CHECK(!consumer.tally().anyTwice());
    if (lost(capture) == 0) {
      CHECK(consumer.tally().exactly(support::indexOf("near0"), false, 0, kCount + 1000));
    }
    const CaptureStats stats = capture.stats();
    CHECK(stats.received == kCount + 1000 && stats.table.delivered + lost(capture) == stats.received);
    CHECK(stats.overflowUsed == 0 && stats.table.queued == 0);
    ip("link del near0");
  }
}

TEST(aCaptureCanBeClosedDuringARecording) {
  for (const CaptureConfig& config : ways()) {
    for (const bool listening : {true, false}) {
      const Folder folder;
      addPair("near0", "far0");
      Consumer consumer(config, {.wants = isNear, .hold = 3});
      if (!consumer.running()) return;
      consumer.capture().listen(listening);
      const auto recorder = begin(consumer.capture(), folder.file("%i.pcapng"), 300);
      std::atomic<bool> done{false};
      std::thread speaking([&] {
        Sender sender;
        for (std::uint64_t number = 0; !done; number += 100) sender.send("far0", number, 100);
      });
      CHECK(eventually([&] { return recorder->stats().packets > 500; }));
      consumer.abandon();
      consumer.takeCapture().reset();  // while leases are held
      CHECK(recorder->ended());
      const RecorderStats stats = recorder->stats();
      CHECK(stats.files == (stats.packets + 299) / 300 || stats.dropped > 0);
      done = true;
      speaking.join();
      consumer.held().clear();
      ip("link del near0");
    }
  }
}

TEST(aReplayRunsUntilItIsStopped) {
  const Folder folder;
  addPair("near0", "far0");
  {
    Consumer consumer(ways().front(), {.wants = isNear});
    if (!consumer.running()) return;
    const auto recorder = begin(consumer.capture(), folder.file("sent.pcapng"), 0);
    Sender().send("far0", 0, 1000);
    consumer.finish();
    CHECK(eventually([&] { return recorder->ended(); }));
    CHECK(recorder->stats().packets == 1000);
  }
  for (const double speed : {1.0, std::numeric_limits<double>::infinity()}) {
    auto injector = Injector::open("near0", {});
    CHECK(injector.ok());
    if (!injector.ok()) return;
    const auto open = [&] { return SavefileSource::open(folder.file("sent.pcapng"), {}, [](SavefileEvent&) {}); };
    ReplaySender sender(std::move(*injector), open, {.speed = speed, .passes = 0});
    std::thread replaying([&] { CHECK(sender.run().ok()); });
    CHECK(eventually([&] { return sender.stats().passes >= 3; }));
    std::thread stopping([&] { sender.stop(); });
    (void)sender.stats();
    replaying.join();
    stopping.join();
    const ReplayStats stats = sender.stats();
    CHECK(stats.packets >= 2000 && stats.sent + stats.refused == stats.packets);
  }
  ip("link del near0");
}
