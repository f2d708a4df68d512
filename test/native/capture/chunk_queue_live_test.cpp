// The order in which blocks and events leave the queue, and when the queue wakes its reader. A live test, because
// blocks need a ring.
#include "core/capture/intake/chunk_queue.h"
#include "core/capture/ring/ring_block.h"
#include "support/check.h"
#include "support/namespace.h"

using namespace ringtap;

namespace {

struct Bench {
  Bench() {
    auto opened = Ring::open({.blockSize = 4096, .blockCount = 4, .maxDelayMilliseconds = 10});
    CHECK(opened.ok());
    if (!opened.ok()) return;
    ring = std::move(*opened);
    view = std::move(*ring->viewOf(0));
  }
  Lease block(std::uint32_t index, std::uint64_t epoch) {
    TakenBlock taken;
    taken.epoch = epoch;
    return Lease(std::make_shared<RingBlock>(ring, view, index, std::move(taken), overflow));
  }
  static QueuedEvent event(std::uint64_t epoch) {
    QueuedEvent queued;
    queued.event.epoch = epoch;
    return queued;
  }

  int wakes = 0;
  std::shared_ptr<Ring> ring;
  std::shared_ptr<RingView> view;
  std::shared_ptr<OverflowMemory> overflow = std::make_shared<OverflowMemory>(0);
  ChunkQueue queue{[this] { ++wakes; }};
};

}  // namespace

TEST(aBlockWaitsForTheEventsBeforeIt) {
  Bench bench;
  if (!bench.ring) return;
  std::optional<Lease> out;
  bench.queue.push(bench.block(0, 0));
  bench.queue.push(Bench::event(1));
  bench.queue.push(Bench::event(2));
  bench.queue.push(bench.block(1, 2));
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::Block && out->taken().epoch == 0);
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::EventsFirst);
  CHECK(bench.queue.hasEvents());
  CHECK(bench.queue.nextEvent()->event.epoch == 1);
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::EventsFirst);
  CHECK(bench.queue.nextEvent()->event.epoch == 2 && !bench.queue.nextEvent());
  CHECK(!bench.queue.hasEvents());
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::Block && out->taken().epoch == 2);
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::Empty);
}

TEST(theQueueWakesOncePerWait) {
  Bench bench;
  if (!bench.ring) return;
  std::optional<Lease> out;
  bench.queue.push(bench.block(0, 0));
  CHECK(bench.wakes == 0);  // no reader is waiting
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::Block);
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::Empty);
  bench.queue.push(bench.block(1, 0));
  bench.queue.push(bench.block(2, 0));
  CHECK(bench.wakes == 1);
  bench.queue.push(Bench::event(1));
  bench.queue.push(Error{});
  CHECK(bench.wakes == 2);
  CHECK(bench.queue.nextFault().has_value() && !bench.queue.nextFault());
  bench.queue.push(Bench::event(2));
  CHECK(bench.wakes == 3);
}

TEST(theQueueIsFinishedOnceEverythingWasTaken) {
  Bench bench;
  if (!bench.ring) return;
  std::optional<Lease> out;
  bench.queue.push(bench.block(0, 0));
  bench.queue.finish();
  CHECK(bench.queue.finished() && bench.wakes == 1);
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::Block);
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::Finished);
}

TEST(clearedBlocksReturnToTheirRing) {
  Bench bench;
  if (!bench.ring) return;
  for (std::uint32_t i = 0; i < 3; ++i) {
    auto& head = *reinterpret_cast<BlockHeader*>(bench.view->block(i));
    head.block_status = kStatusUser;
    head.seq_num = 1;
    bench.queue.push(bench.block(i, 0));
  }
  std::optional<Lease> out;
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::Block);
  bench.queue.clear();
  CHECK(bench.ring->ready(0, 1) && !bench.ring->ready(1, 1) && !bench.ring->ready(2, 1));
  out.reset();
  CHECK(!bench.ring->ready(0, 1));
  CHECK(bench.queue.nextBlock(out) == ChunkQueue::Next::Empty);
}
