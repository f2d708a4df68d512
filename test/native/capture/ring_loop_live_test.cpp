// A loop blocked by leased blocks, while they are released and the loop is woken continually: no block may be taken
// twice.
#include <atomic>

#include "core/bpf/attach.h"
#include "core/capture/intake/packet_socket.h"
#include "core/capture/ring/ring_loop.h"
#include "support/check.h"
#include "support/consumer.h"

using namespace ringtap;

TEST(blocksReleasedWhileTheLoopLooksAreTakenOnce) {
  support::addPair("near0", "far0");
  auto monitor = InterfaceMonitor::open();
  auto ring = Ring::open({.blockSize = 4096, .blockCount = 4, .maxDelayMilliseconds = 1});
  CHECK(monitor.ok() && ring.ok());
  if (!monitor.ok() || !ring.ok()) return;

  support::Bell bell;
  SelectionTable table({}, true);
  ChunkQueue queue([&] { bell.ring(); });
  BlockOutlet outlet(queue, table);
  InterfaceBook book;
  InterfaceFeed feed(std::move(*monitor), book, table, queue,
                     {.now = [] { return Moment{}; }, .resynced = [] {}, .decided = {}});
  for (const auto& [index, info] : feed.initial()) {
    (void)table.add(book.add(info));
    table.decide(info.id(), 0, info.name == "near0", {});
  }
  auto kernel = KernelFilter::attach({}, true, FilterMode::Classic, {}, {(*ring)->fd()});
  CHECK(kernel.ok());
  if (!kernel.ok()) return;
  table.use(std::move(*kernel), [] { return RingPosition{}; });
  CHECK(table.commit({}).ok() && bindToInterface((*ring)->fd(), 0).ok());
  // Without overflow memory, a leased block stays in the ring.
  RingLoop loop(0, *ring, {table, queue, outlet, feed, std::make_shared<OverflowMemory>(0)}, 1,
                [&] { queue.finish(); });
  CHECK(loop.start().ok());

  std::atomic<bool> done{false};
  std::thread waking([&] {
    while (!done) loop.nudge();
  });
  std::thread speaking([&] { support::Sender().send("far0", 0, 100'000); });
  support::Tally tally;
  std::uint64_t delivered = 0;
  std::thread reading([&] {
    std::deque<Lease> held;
    const auto readOldest = [&] {
      support::eachPacket(held.front(), [&](const Record& record) {
        ++delivered;
        const auto stamp = support::stampOf(record.data(), record.header->tp_snaplen);
        if (stamp) tally.add(0, false, *stamp);
      });
      held.pop_front();
    };
    for (bool more = true; more;) {
      std::optional<Lease> lease;
      while (queue.nextEvent()) {
      }
      switch (queue.nextBlock(lease)) {
        case ChunkQueue::Next::Block:
          lease->modify([&](std::byte* content, TakenBlock& taken) { table.handOut(content, taken); });
          held.push_back(std::move(*lease));
          if (held.size() < 4) continue;
          break;
        case ChunkQueue::Next::Empty: break;
        case ChunkQueue::Next::EventsFirst: continue;
        case ChunkQueue::Next::Finished: more = false; break;
      }
      if (!held.empty()) {
        readOldest();
      } else if (more) {
        bell.wait();
      }
    }
    while (!held.empty()) readOldest();
  });
  speaking.join();
  CHECK(refusePackets((*ring)->fd()).ok());
  loop.drain();
  reading.join();
  done = true;
  waking.join();
  loop.stop();
  CHECK(!tally.anyTwice());
  const LoopStats stats = loop.stats();
  CHECK(stats.packets == delivered + stats.ringDrops && stats.ringDrops > 0);
  CHECK(!queue.nextFault().has_value());
  support::ip("link del near0");
}
