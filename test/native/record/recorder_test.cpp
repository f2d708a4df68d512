// A recorder between the capture and the disk: stopped, behind, or failing.
#include "core/record/recorder.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "core/record/batch_target.h"
#include "core/record/file_target.h"
#include "core/record/flight_memory.h"
#include "core/savefile/savefile_format.h"
#include "support/check.h"
#include "support/eventually.h"
#include "support/folder.h"
#include "support/recorder_bench.h"

using namespace ringtap;
using support::Bench;
using support::device;
using support::eventually;

namespace {

std::atomic<bool> diskFails{false};

}  // namespace

// Overrides the C library's function: fails once as on a defective disk, and performs all other calls.
extern "C" int fdatasync(int fd) {
  if (!diskFails.exchange(false)) return static_cast<int>(::syscall(SYS_fdatasync, fd));
  errno = EIO;
  return -1;
}

namespace {

std::shared_ptr<BatchTarget> openBatches(BatchOptions options) {
  auto target = BatchTarget::open(options);
  CHECK(target.ok());
  return *target;
}

std::shared_ptr<FlightMemory> openFlight() {
  auto memory = std::make_shared<FlightMemory>(FlightOptions{.memory = 1 << 20});
  CHECK(memory->begin().ok());
  return memory;
}

// Holds the thread of a recorder within a mark, and returns a function that lets it go.
std::function<void()> holdThread(Recorder& recorder) {
  const auto held = std::make_shared<std::atomic<bool>>(false);
  const auto released = std::make_shared<std::atomic<bool>>(false);
  recorder.mark(
      std::chrono::steady_clock::now(), [] { return true; },
      [held, released] {
        *held = true;
        released->wait(false);
      });
  CHECK(eventually([&] { return held->load(); }));
  return [released] {
    *released = true;
    released->notify_all();
  };
}

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

TEST(aFileThatCannotBeSyncedIsKept) {
  const support::Folder folder;
  auto files = FileTarget::open({.path = folder.file("a.pcapng"), .sync = FileSetOptions::Sync::File});
  CHECK(files.ok());
  Bench bench({}, *files);
  bench.start();
  bench.push(1, 5);
  diskFails = true;
  bench.recorder->finish(false);
  bench.recorder->join();
  const auto fault = bench.recorder->nextFault();
  CHECK(fault && fault->number == EIO);
  CHECK(bench.recorder->stats().packets == 5 && bench.recorder->stats().dropped == 0);
  CHECK(folder.names() == std::vector<std::string>{"a.pcapng"});
  const auto file = (*files)->nextFile();
  CHECK(file && file->counts.packets == 5 && file->counts.bytes == contentOf(file->path).size());
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

TEST(aFlightRecorderLeavesTheLedgerToTheRecorder) {
  Bench bench({});
  bench.start();
  const auto flight = bench.fly(openFlight());
  const auto release = holdThread(*bench.recorder);
  bench.push(1, 5);
  CHECK(eventually([&] { return flight->done() == 1; }));
  CHECK(bench.table.stats().delivered == 0 && bench.table.stats().queued == 5);
  CHECK(bench.outlet.dropWaiting());
  CHECK(bench.table.stats().delivered == 0 && bench.table.stats().droppedByRecorder == 5);
  release();
  flight->finish(false);
  flight->join();
  CHECK(flight->stats().packets == 5 && flight->stats().dropped == 0);
}

TEST(aFlightRecorderGivesUpItsBlocksFirst) {
  Bench bench({});
  bench.start();
  const auto flight = bench.fly(openFlight());
  const auto release = holdThread(*bench.recorder);
  const auto releaseFlight = holdThread(*flight);
  bench.push(1, 5);
  CHECK(bench.outlet.dropWaiting());
  CHECK(flight->stats().dropped == 5 && bench.recorder->stats().dropped == 0);
  CHECK(bench.table.stats().droppedByRecorder == 0 && bench.table.stats().queued == 5);
  releaseFlight();
  release();
  bench.recorder->finish(false);
  bench.recorder->join();
  CHECK(bench.table.stats().delivered == 5 && bench.table.stats().queued == 0);
  flight->finish(false);
  flight->join();
  CHECK(flight->stats().packets == 0);
}

TEST(severalSecondaryRecordersGiveUpTheirBlocksFirstAndCountThemOnce) {
  Bench bench({});
  const auto flight = bench.fly(openFlight()), other = bench.fly(openFlight());
  const auto releaseFlight = holdThread(*flight), releaseOther = holdThread(*other);
  bench.push(1, 5);
  bench.push(1, 7);
  CHECK(bench.outlet.dropWaiting() && bench.outlet.dropWaiting());
  CHECK(flight->stats().dropped == 12 && other->stats().dropped == 0);
  CHECK(bench.table.stats().droppedByRecorder == 12 && bench.table.stats().queued == 0);
  CHECK(bench.outlet.dropWaiting());
  CHECK(other->stats().dropped == 5);
  releaseFlight();
  releaseOther();
  flight->finish(false);
  flight->join();
  CHECK(flight->stats().packets == 0);
  // The one that has ended is out of the way.
  const auto next = bench.fly(openFlight());
  bench.push(1, 3);
  CHECK(eventually([&] { return other->done() == 3 && next->done() == 1; }));
  for (const auto& one : {other, next}) {
    one->finish(false);
    one->join();
  }
  CHECK(other->stats().packets == 10 && next->stats().packets == 3);
  CHECK(bench.table.stats().droppedByRecorder == 12 && bench.table.stats().delivered == 3);
}

TEST(aFlightRecorderAloneDeliversWhatItTakes) {
  Bench bench({});
  bench.push(1, 2);
  const auto flight = bench.fly(openFlight());
  bench.push(1, 3);
  CHECK(eventually([&] { return flight->done() == 1; }));
  CHECK(bench.queue.pushed() == 1);
  CHECK(bench.table.stats().delivered == 3 && bench.table.stats().queued == 2);
  CHECK(bench.outlet.dropWaiting());  // the block from before makes room
  CHECK(bench.table.stats().droppedByOverflow == 2 && bench.table.stats().queued == 0);
  flight->finish(false);
  flight->join();
}

TEST(aMarkIsPassedWithTheBlocksBeforeIt) {
  Bench bench({});
  const auto memory = openFlight();
  const auto flight = bench.fly(memory);
  bench.push(2, 3);  // undecided so far
  auto calls = std::make_shared<std::atomic<int>>(0);
  std::atomic<std::uint64_t> packets{0};
  std::atomic<bool> reached{false};
  flight->mark(
      std::chrono::steady_clock::now(), [calls] { return ++*calls == 3; },
      [&] {
        packets = memory->end().packets;
        reached = true;
      });
  CHECK(eventually([&] { return *calls == 3; }));
  bench.push(1, 4);
  CHECK(!reached);
  (void)bench.table.decide({2, 2}, 1, true, {});
  bench.outlet.decided(1);
  CHECK(eventually([&] { return reached.load(); }));
  CHECK(packets == 3 && *calls == 3);
  flight->finish(false);
  flight->join();
  CHECK(memory->end().packets == 7);
  int after = 0;
  flight->mark(
      std::chrono::steady_clock::now(), [] { return false; }, [&] { ++after; });
  CHECK(after == 1);  // at once: the recorder has ended
}

TEST(batchesThatAreNotTakenBoundWhatIsPacked) {
  auto target = openBatches({4096, 8192});
  Bench bench({.rotatePackets = 10}, target);
  bench.push(1, 10);  // waits for JavaScript, and goes to the batches
  bench.start();
  CHECK(eventually([&] { return bench.recorder->done() == 1; }));
  for (int i = 0; i < 9; ++i) bench.push(1, 10);
  // A batch is complete when the next packet comes. Each is charged with more than 1024 bytes.
  CHECK(eventually([&] { return !target->hasRoom(); }));
  const std::uint64_t packed = bench.recorder->done();
  CHECK(packed < 9 && bench.recorder->waiting() == 10 - packed);
  CHECK(bench.table.stats().delivered == 10 * packed && bench.table.stats().queued == 10 * (10 - packed));
  std::uint64_t taken = 0;
  const auto take = [&] {
    for (auto batch = target->next(); batch; batch = target->next()) {
      CHECK(batch->counts.packets == 10 && batch->counts.bytes == batch->length);
      ++taken;
      bench.recorder->resume();
    }
  };
  bench.recorder->finish(false);
  CHECK(eventually([&] {
    take();
    return bench.recorder->ended();
  }));
  take();
  CHECK(taken == 10 && bench.table.stats().queued == 0 && bench.table.stats().delivered == 100);
}

TEST(abandonedBatchesAreCountedAndTheRestWaitsForJavaScript) {
  auto target = openBatches({4096, 4096});
  Bench bench({.rotatePackets = 10}, target);
  bench.start();
  for (int i = 0; i < 10; ++i) bench.push(1, 7);
  CHECK(eventually([&] { return !target->hasRoom(); }));
  const auto first = target->next();
  CHECK(first && first->counts.packets == 10);
  bench.outlet.detach(*bench.recorder);
  bench.recorder->abandon();
  bench.push(1, 3);  // behind those that waited in the recorder
  bench.recorder->join();
  bench.outlet.restore(*bench.recorder);
  const std::uint64_t packed = 7 * bench.recorder->done();
  auto stats = bench.table.stats();
  CHECK(stats.delivered == 10 && stats.droppedByOverflow == packed - 10 && stats.queued == 73 - packed);
  CHECK(stats.interfaces.front().delivered == 10 && stats.interfaces.front().bytes == stats.bytes);
  CHECK(stats.interfaces.front().droppedByOverflow == packed - 10);
  CHECK(!target->next().has_value());
  CHECK(bench.recorder->pushed() == bench.recorder->done());  // what was taken back is not waited for
  std::vector<std::uint32_t> sizes;
  for (std::optional<Lease> lease; bench.queue.nextBlock(lease) == ChunkQueue::Next::Block; lease.reset()) {
    lease->modify([&](std::byte* content, TakenBlock& taken) { bench.table.handOut(content, taken); });
    sizes.push_back(lease->taken().summary.packets);
  }
  CHECK(!sizes.empty() && sizes.back() == 3 && sizes.size() == (70 - packed) / 7 + 1);
  stats = bench.table.stats();
  CHECK(stats.queued == 0 && stats.delivered + stats.droppedByOverflow == 73);
}

TEST(batchesThatAreAbandonedAfterTheEndAreCounted) {
  auto target = openBatches({4096, 1 << 20});
  Bench bench({.rotatePackets = 10}, target);
  bench.start();
  for (int i = 0; i < 3; ++i) bench.push(1, 10);
  bench.recorder->finish(false);
  CHECK(eventually([&] { return bench.recorder->ended(); }));
  CHECK(bench.table.stats().delivered == 30);
  CHECK(target->next().has_value());
  bench.outlet.detach(*bench.recorder);
  bench.recorder->abandon();
  bench.recorder->join();
  bench.outlet.restore(*bench.recorder);
  const auto stats = bench.table.stats();
  CHECK(stats.delivered == 10 && stats.droppedByOverflow == 20 && stats.queued == 0);
  CHECK(stats.interfaces.front().droppedByOverflow == 20);
  CHECK(!target->next().has_value());
}

TEST(aLossThatBelongsToNoDeviceIsInTheLastBatch) {
  for (const bool lost : {false, true}) {
    auto target = openBatches({4096, 4096});
    Bench bench({}, target);
    if (lost) bench.losses = {.inRing = 5, .causes = {.droppedByRing = 5}};
    bench.start();
    bench.recorder->finish(false);
    bench.recorder->join();
    const auto batch = target->next();
    CHECK(batch.has_value() == lost);
    if (batch) CHECK(batch->counts.packets == 0 && batch->losses.droppedByRing == 5 && batch->length > 0);
  }
}
