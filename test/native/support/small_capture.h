// Captures with small rings, and what must hold of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>

#include "core/capture/capture.h"
#include "support/check.h"
#include "support/consumer.h"
#include "support/traffic.h"

namespace support {

// Rings that wrap around within a test.
inline ringtap::CaptureConfig small(ringtap::FilterMode mode = ringtap::FilterMode::Auto) {
  ringtap::CaptureConfig config;
  config.ring.blockSize = 1u << 18;
  config.ring.blockCount = 8;
  config.ring.maxDelayMilliseconds = 10;
  config.overflowMemory = std::size_t{16} << 20;
  config.hotplug = true;
  config.filterMode = mode;
  return config;
}

// The same configuration through libpcap.
inline ringtap::CaptureConfig smallPcap() {
  ringtap::CaptureConfig config = small();
  config.backend = ringtap::Backend::Pcap;
  config.pcap.memory = std::size_t{128} << 20;
  return config;
}

// A configuration with a ring for each interface.
inline ringtap::CaptureConfig smallOwnRings() {
  ringtap::CaptureConfig config = small();
  config.layout.count = 3;
  config.layout.sharing = ringtap::Sharing::ByInterface;
  return config;
}

// Packets that the kernel dropped, for whichever reason.
inline std::uint64_t lost(const ringtap::CaptureStats& stats) {
  return stats.loops.ringDrops + stats.loops.overflowDrops;
}

// The ledger of a capture that has ended: each packet counts once, and no memory is used.
inline void checkBalance(Consumer& consumer) {
  const ringtap::CaptureStats stats = consumer.capture().stats();
  CHECK(stats.received == stats.table.delivered + lost(stats) + stats.table.unselected);
  CHECK(stats.table.queued == 0 && stats.table.malformed == 0);
  CHECK(stats.table.delivered == consumer.packets());
  CHECK(stats.overflowUsed == 0);
  CHECK(consumer.faults() == 0);
  if (lost(stats) > 0) return;
  for (const ringtap::InterfaceStats& one : stats.table.interfaces) {
    if (one.received) CHECK(*one.received == one.delivered + one.unselected);
  }
}

// Packets that were taken from the rings, or lost.
inline std::uint64_t taken(Consumer& consumer) {
  const auto stats = consumer.capture().stats().table;
  return stats.delivered + stats.queued + stats.unselected + lost(consumer.capture().stats());
}

// Sends frames no faster than the loop reads them, however long it waits for a processor: each step is taken from the
// ring, or counted as lost, before the next is sent.
inline void sendInSteps(Consumer& consumer, const std::string& name, std::uint64_t count,
                        const frames::Shape& shape = {}, std::uint16_t label = 0) {
  Sender sender;
  const std::uint64_t before = taken(consumer);
  for (std::uint64_t sent = 0; sent < count; sent += 200) {
    const std::uint64_t step = std::min<std::uint64_t>(200, count - sent);
    sender.send(name, sent, step, label, shape);
    while (taken(consumer) - before < sent + step) std::this_thread::yield();
  }
}

}  // namespace support
