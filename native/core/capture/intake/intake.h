// The source of a capture's packets and its threads: rings (ring_intake.h) or libpcap handles (pcap_loop.h).
//
// Owner: the Capture. Life cycle: attach() → begin() → refuseAll(), drain()? → stop() → shut(). attach(), begin(),
// stop() and shut() may block; the other functions are quick, and thread-safe after begin().
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

// The parts of a capture that all its loops share.
struct IntakeContext {
  SelectionTable& table;
  ChunkQueue& queue;    // for faults
  BlockOutlet& outlet;  // for blocks
  InterfaceFeed& feed;
  std::shared_ptr<OverflowMemory> overflow;
};

// The packets that a loop received and lost. Cause of the losses: overflowDrops: the consumer was so slow that the
// overflow memory was used up; ringDrops: packets arrived faster than they were taken out of the kernel.
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

// The kernel's buffers for packets.
struct IntakeSize {
  std::uint64_t memory = 0;      // bytes, all together
  std::uint32_t count = 0;       // rings, or handles
  std::uint32_t blockSize = 0;   // maximum size of a chunk in bytes
  std::uint32_t blockCount = 0;  // blocks lent from the kernel's memory; 0 if chunks are copies
};

class Intake {
 public:
  virtual ~Intake() = default;

  // The captured devices that are not network interfaces and were configured by name. Their indexes are above those of
  // all interfaces.
  [[nodiscard]] virtual std::vector<InterfaceInfo> devices() const { return {}; }
  // The link types that a filter has to be compiled for in addition to those of the interfaces.
  [[nodiscard]] virtual std::vector<std::uint16_t> linkTypes() const { return {}; }

  // Attaches the filter; nothing is received yet. Verdicts on interfaces are set in the returned object.
  // `acceptUnlisted`: see KernelFilter.
  [[nodiscard]] virtual Result<std::unique_ptr<KernelFilter>> attach(const FilterSpec& spec, bool acceptUnlisted) = 0;
  // Begins reception, and starts the threads.
  virtual Result<> begin() = 0;

  // After this no packet is accepted.
  virtual Result<> refuseAll() = 0;
  // Calls the constructor's onDrained once, when every packet accepted before refuseAll() is in the queue.
  virtual void drain() = 0;
  // Ends the threads.
  virtual void stop() = 0;
  // Closes the descriptors; leased blocks stay readable.
  virtual void shut() = 0;

  // Wakes the loops, because the overflow memory or the event queue may have room again.
  virtual void nudge() = 0;
  // Blocks, for some milliseconds, until each loop has made room for further packets, if it can.
  virtual void awaitRoom() = 0;
  // Starts or stops the capture of an interface; takes effect with commit(). JavaScript's thread.
  virtual void setCaptured(std::uint32_t /*interface*/, bool /*captured*/) {}
  virtual Result<> commit() { return {}; }
  // Waits for the kernel's RTNL lock.
  virtual Result<> setPromiscuous(std::uint32_t interface, bool on) = 0;

  // The last block of each ring that may hold packets received before this call.
  [[nodiscard]] virtual RingPosition ringPosition() const = 0;
  // For each loop: packets that have entered the kernel's buffer so far, and packets taken out of it into the queue.
  [[nodiscard]] virtual std::vector<std::uint64_t> entered() const = 0;
  [[nodiscard]] virtual std::vector<std::uint64_t> taken() const = 0;
  [[nodiscard]] virtual LoopStats stats() = 0;
  [[nodiscard]] virtual IntakeSize size() const = 0;
};

}  // namespace ringtap
