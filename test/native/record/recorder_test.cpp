// A recorder between the capture and the disk: stopped, behind, or failing.
#include "core/record/recorder.h"

#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/capture/intake/block_outlet.h"
#include "core/ledger/copied_block.h"
#include "core/savefile/savefile_format.h"
#include "support/blocks.h"
#include "support/check.h"
#include "support/eventually.h"
#include "support/folder.h"
#include "support/no_kernel.h"

using namespace ringtap;
using support::eventually;
using support::MadeRecord;

namespace {

InterfaceInfo device(std::uint32_t index) {
  InterfaceInfo info;
  info.index = index;
  info.generation = index;
  info.name = "eth" + std::to_string(index);
  info.hardwareType = 1;  // ARPHRD_ETHER
  info.flags = kInterfaceUp;
  return info;
}

// Replaces the capture: eth1 is decided, other devices are undecided until decide().
struct Bench {
  explicit Bench(RecordingForm form) : table({}, true), queue([] {}), outlet(queue, table) {
    table.use(std::make_unique<support::NoKernel>());
    (void)table.add(book.add(device(1)));
    (void)table.decide({1, 1}, 0, true, {});
    auto opened = Recorder::open({std::move(form), {.path = folder.file("%i.pcapng")}, ""});
    CHECK(opened.ok());
    recorder = std::move(*opened);
  }
  ~Bench() {
    letGo();
    recorder->finish(true);
    recorder->join();
  }

  void start() {
    CHECK(recorder
              ->prepare({table, book,
                         [this] {
                           std::unique_lock lock(mutex);
                           if (!held) return Losses{.byDevice = true};
                           ++waiting;
                           changed.notify_all();
                           changed.wait(lock, [this] { return !held; });
                           return Losses{.byDevice = true};
                         },
                         [](const std::string&) { return std::uint64_t{0}; },
                         [this](const Recorder& one) {
                           outlet.detach(one);
                           detached = true;
                         },
                         [] {}})
              .ok());
    outlet.attach(recorder);
    recorder->start();
  }
  // From here on the recorder's thread blocks at the end of a file, as on a stalled disk.
  void hold() {
    std::lock_guard lock(mutex);
    held = true;
  }
  void awaitHeld() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return waiting > 0; });
  }
  void letGo() {
    std::lock_guard lock(mutex);
    held = false;
    changed.notify_all();
  }

  // Pushes a block of packets of one device.
  void push(std::uint32_t index, std::size_t packets) {
    std::vector<MadeRecord> records(packets);
    for (MadeRecord& record : records) record.index = index;
    auto block = support::Block::of(records);
    auto memory = BlockMemory::take(overflow, block.size());
    CHECK(memory.has_value());
    std::memcpy(memory->data(), block.data(), block.size());
    TakenBlock taken = table.take(memory->data(), block.size(), {0, ++blocks}, [this](std::uint32_t index) {
      const Moment now{1, {1000}};
      (void)table.apply(book.enter({InterfaceEvent{InterfaceChange::Added, device(index), {}}}, now), now);
    });
    outlet.push(std::make_shared<CopiedBlock>(std::move(*memory), std::move(taken)));
  }

  SelectionTable table;
  InterfaceBook book;
  ChunkQueue queue;
  BlockOutlet outlet;
  std::shared_ptr<OverflowMemory> overflow = std::make_shared<OverflowMemory>(1 << 20);
  support::Folder folder;
  std::uint64_t blocks = 0;
  std::atomic<bool> detached{false};
  std::mutex mutex;
  std::condition_variable changed;
  bool held = false;
  int waiting = 0;
  std::shared_ptr<Recorder> recorder;
};

std::string contentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::uint32_t> blockTypesIn(const std::string& path) {
  const std::string bytes = contentOf(path);
  std::vector<std::uint32_t> types;
  for (std::size_t at = 0; at + 12 <= bytes.size();) {
    std::uint32_t head[2];
    std::memcpy(head, bytes.data() + at, sizeof head);
    types.push_back(head[0]);
    if (head[1] < 12) break;
    at += head[1];
  }
  return types;
}

}  // namespace

TEST(aStoppedRecorderIsWokenByDecisions) {
  Bench bench({});
  bench.start();
  bench.push(2, 3);  // undecided so far
  bench.recorder->stop([] { return true; });
  CHECK(eventually([&] { return bench.detached.load(); }));
  CHECK(!bench.recorder->ended());
  (void)bench.table.decide({2, 2}, 1, true, {});
  bench.outlet.decided(1);
  CHECK(eventually([&] { return bench.recorder->ended(); }));
  CHECK(bench.recorder->stats().packets == 3 && bench.recorder->stats().dropped == 0);
}

TEST(aStoppedRecorderStillDropsBlocksForTheRing) {
  Bench bench({.rotatePackets = 1});
  bench.start();
  bench.hold();
  bench.push(1, 2);  // the second one ends a file
  bench.awaitHeld();
  bench.push(1, 5);
  bench.outlet.detach(*bench.recorder);
  const std::size_t used = bench.overflow->used();
  CHECK(bench.outlet.dropWaiting());
  CHECK(bench.overflow->used() < used);
  CHECK(!bench.outlet.dropWaiting());
  CHECK(bench.table.stats().droppedByRecorder == 5);
  bench.letGo();
  bench.recorder->finish(false);
  bench.recorder->join();
  CHECK(bench.recorder->stats().packets == 2 && bench.recorder->stats().dropped == 5);
  CHECK(bench.table.stats().delivered == 2 && bench.table.stats().queued == 0);
}

TEST(aRecorderThatFailsAtOnceKeepsNothing) {
  Bench bench({});
  for (const std::string& name : bench.folder.names()) std::filesystem::remove(bench.folder.file(name));
  bench.start();
  CHECK(eventually([&] { return bench.recorder->ended(); }));
  CHECK(bench.recorder->nextFault().has_value());
  bench.push(1, 4);
  CHECK(bench.queue.pushed() == 1 && bench.recorder->waiting() == 0);  // owned by JavaScript again
}

TEST(aLossAfterTheLastPacketIsReported) {
  Bench bench({.rotateMilliseconds = 1});
  bench.start();
  bench.push(1, 1);
  CHECK(eventually([&] { return bench.recorder->stats().files == 1; }));
  bench.push(2, 7);
  bench.recorder->finish(true);  // no decision can arrive any more
  bench.recorder->join();
  CHECK(bench.recorder->stats().dropped == 7 && bench.recorder->stats().files == 2);
  using namespace savefile;
  CHECK(blockTypesIn(bench.folder.file("000001.pcapng")) ==
        std::vector{kSectionHeader, kInterfaceDescription, kEnhancedPacket, kInterfaceStatistics});
  CHECK(blockTypesIn(bench.folder.file("000002.pcapng")) ==
        std::vector{kSectionHeader, kInterfaceDescription, kInterfaceStatistics});
}

TEST(aLossOfADeviceWhoseIndexIsUsedAgainIsReported) {
  Bench bench({.rotateMilliseconds = 1});
  bench.start();
  bench.push(1, 1);
  CHECK(eventually([&] { return bench.recorder->stats().files == 1; }));
  bench.push(2, 7);
  InterfaceInfo next = device(2);
  next.generation = 3;
  next.name = "next2";
  const Moment now{2, {2000}};
  (void)bench.table.apply(
      bench.book.enter({{InterfaceChange::Removed, device(2), {}}, {InterfaceChange::Added, next, {}}}, now), now);
  bench.recorder->finish(true);  // no decision can arrive any more
  bench.recorder->join();
  CHECK(bench.recorder->stats().dropped == 7 && bench.recorder->stats().files == 2);
  using namespace savefile;
  CHECK(blockTypesIn(bench.folder.file("000002.pcapng")) ==
        std::vector{kSectionHeader, kInterfaceDescription, kInterfaceStatistics});
  const std::string content = contentOf(bench.folder.file("000002.pcapng"));
  CHECK(content.find("eth2") != std::string::npos && content.find("next2") == std::string::npos);
}

TEST(aFileWithoutContentIsRemoved) {
  Bench bench({.rotateMilliseconds = 1});
  bench.start();
  bench.push(1, 1);
  CHECK(eventually([&] { return bench.recorder->stats().files == 1; }));
  bench.recorder->finish(false);
  bench.recorder->join();
  CHECK(bench.recorder->stats().files == 1);
  CHECK(bench.folder.names() == std::vector<std::string>{"000001.pcapng"});
}

// What has to be written is fixed when the stop begins: a predicate that stores it at its first call must still have it
// at the next one, or the recording would follow later traffic without end.
TEST(aStopKeepsTheStateOfItsPredicate) {
  Bench bench({});
  bench.start();
  bench.push(1, 3);
  auto calls = std::make_shared<std::atomic<int>>(0);
  bench.recorder->stop([calls, mine = 0]() mutable {
    ++*calls;
    return ++mine == 3;
  });
  // A second stop changes nothing.
  bench.recorder->stop([] { return true; });
  CHECK(eventually([&] { return bench.recorder->ended(); }));
  CHECK(*calls == 3);
  CHECK(bench.recorder->stats().packets == 3);
}
