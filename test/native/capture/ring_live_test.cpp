// The socket of a ring.
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <sys/socket.h>

#include "core/capture/ring/ring.h"
#include "support/check.h"
#include "support/namespace.h"

using namespace ringtap;

namespace {

// What the kernel returns for PACKET_TIMESTAMP; -1: nothing.
int timestampingOf(const RingOptions& options) {
  auto ring = Ring::open(options);
  CHECK(ring.ok());
  int value = -1;
  socklen_t length = sizeof value;
  if (!ring || ::getsockopt((*ring)->fd(), SOL_PACKET, PACKET_TIMESTAMP, &value, &length) != 0) return -1;
  return value;
}

constexpr RingOptions kSmall{.blockSize = 4096, .blockCount = 4, .maxDelayMilliseconds = 1};

}  // namespace

TEST(hardwareTimestampsAreRequestedOnlyIfWanted) {
  RingOptions options = kSmall;
  CHECK(timestampingOf(options) == 0);
  options.hardwareTimestamps = true;
  CHECK(timestampingOf(options) == SOF_TIMESTAMPING_RAW_HARDWARE);
}
