// Where a capture's packets come from, and by what threads: rings (ring_intake.h) or libpcap's handles (pcap_loop.h).
//
// Owner: the Capture. Life: attach() → begin() → refuseAll(), drain()? → stop() → shut(). The first two and the last
// two may block; the rest is quick, and thread-safe from begin() on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/block/overflow_memory.h"
#include "core/bpf/kernel_filter.h"
#include "core/capture/intake/block_outlet.h"
#include "core/capture/intake/chunk_queue.h"
#include "core/capture/intake/interface_feed.h"
#include "core/ledger/selection_table.h"
#include "core/links/interface_info.h"
#include "core/util/result.h"

namespace ringtap {

// The parts of a capture that all its loops work with.
struct IntakeContext {
  SelectionTable& table;
  ChunkQueue& queue;    // for faults
  BlockOutlet& outlet;  // for blocks
  InterfaceFeed& feed;
  std::shared_ptr<OverflowMemory> overflow;
};

// What a loop received and lost, by cause: the consumer was so slow that the overflow memory was used up (`overflow`),
// or packets came faster than they could be taken out of the kernel (`ring`).
struct LoopStats {
  std::uint64_t packets = 0;  // accepted by the filter
  std::uint64_t ringDrops = 0;
  std::uint64_t overflowDrops = 0;
  std::uint64_t freezes = 0;
  std::uint64_t evicted = 0;  // blocks copied out of a ring

  LoopStats& operator+=(const LoopStats& other) {
    packets += other.packets;
    ringDrops += other.ringDrops;
    overflowDrops += other.overflowDrops;
    freezes += other.freezes;
    evicted += other.evicted;
    return *this;
  }
};

// What holds packets in the kernel.
struct IntakeSize {
  std::uint64_t memory = 0;      // bytes, all together
  std::uint32_t count = 0;       // rings, or handles
  std::uint32_t blockSize = 0;   // bytes that one chunk is made of at most
  std::uint32_t blockCount = 0;  // blocks that are lent out of the kernel's memory; 0 where chunks are copies
};

class Intake {
 public:
  virtual ~Intake() = default;

  // The devices it captures on that are no network interfaces and were asked for by name. Their indexes are above any
  // interface's.
  [[nodiscard]] virtual std::vector<InterfaceInfo> devices() const { return {}; }
  // What a filter has to be compiled for beside the link types of the interfaces.
  [[nodiscard]] virtual std::vector<std::uint16_t> linkTypes() const { return {}; }

  // Attaches the filter; nothing is received yet. The result takes the verdicts on interfaces.
  // `acceptUnlisted`: see KernelFilter.
  [[nodiscard]] virtual Result<std::unique_ptr<KernelFilter>> attach(const FilterSpec& spec, bool acceptUnlisted) = 0;
  // Begins reception, and starts the threads.
  virtual Result<> begin() = 0;

  // From here on no packet is accepted.
  virtual Result<> refuseAll() = 0;
  // Calls the onDrained it was made with, once, when every packet accepted before refuseAll() is in the queue.
  virtual void drain() = 0;
  // Ends the threads.
  virtual void stop() = 0;
  // Closes what is open in the kernel; blocks with a lease stay readable.
  virtual void shut() = 0;

  // Wakes the loops: there may be room again in the overflow memory, or for events.
  virtual void nudge() = 0;
  // An interface is captured from now on, or not any more; takes effect with commit(). JavaScript's thread.
  virtual void setCaptured(std::uint32_t /*interface*/, bool /*captured*/) {}
  virtual Result<> commit() { return {}; }
  virtual Result<> setPromiscuous(std::uint32_t interface, bool on) = 0;

  // The last blocks that may hold packets from before now.
  [[nodiscard]] virtual RingPosition ringPosition() const = 0;
  // For each loop: packets that are in the kernel's memory or have been, and packets taken out of it into the queue.
  [[nodiscard]] virtual std::vector<std::uint64_t> entered() const = 0;
  [[nodiscard]] virtual std::vector<std::uint64_t> taken() const = 0;
  [[nodiscard]] virtual LoopStats stats() = 0;
  [[nodiscard]] virtual IntakeSize size() const = 0;
};

}  // namespace ringtap
