// A consumer that holds its blocks: they are evicted from the ring, and what overflow memory cannot hold is lost and
// counted.
#include "core/capture/capture.h"
#include "support/check.h"
#include "support/consumer.h"
#include "support/small_capture.h"

using namespace ringtap;
using support::addPair;
using support::checkBalance;
using support::Consumer;
using support::indexOf;
using support::ip;
using support::lost;
using support::sendInSteps;
using support::small;

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
