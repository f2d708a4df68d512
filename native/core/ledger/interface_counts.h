// What happened to the packets of one device of one generation: its part of the ledger.
//
// No kernel, no lock: SelectionTable keeps these under its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/block/ring_position.h"
#include "core/links/device_losses.h"

namespace ringtap {

// The figures of one interface. Its packets are counted as delivered or unselected when their block is handed out.
struct InterfaceStats {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  std::string name;
  bool present = true;
  bool selected = false;
  std::optional<std::uint64_t> received;  // accepted by the filter; not known in the classic form
  std::uint64_t taken = 0;                // found in blocks, before any decision
  std::uint64_t delivered = 0;
  std::uint64_t bytes = 0;              // captured bytes of the delivered ones
  std::uint64_t droppedByRecorder = 0;  // meant for a recorder alone, and not written
  std::uint64_t unselected = 0;
  std::uint64_t truncated = 0;
  std::uint64_t queued = 0;      // taken, not yet handed out
  std::uint64_t duplicates = 0;  // refused as such, here or by the kernel; no part of received and taken
  // What the device lost ahead of packet sockets since it was first selected; nothing where that is not known.
  std::optional<DeviceLosses> losses;
};

// What the kernel's filter has counted under the index of a device that is present (core/bpf/kernel_filter.h).
struct KernelCounts {
  std::optional<std::uint64_t> accepted;
  std::uint64_t duplicates = 0;
};

class InterfaceCounts {
 public:
  // Once, with the counts of the device that had the index before. A packet is judged and counted here for the device
  // that has the index when its block is taken; the kernel counted it for the device that had the index when it came.
  // The two differ where a device goes and comes back with its index (it was in another namespace for a moment).
  void follow(std::shared_ptr<InterfaceCounts> before);
  // `records` packets of the index were taken with this block: takes over the kernel's count of those that came before
  // this device. Exact where nothing was lost: the packets of the devices before come first. After a loss, what these
  // lost may be counted for this one.
  void inherit(BlockNumber block, std::uint64_t records);
  // The device has gone; blocks up to `position` may hold packets of it.
  void leave(const KernelCounts& counts, const RingPosition& position);

  // Fills in received and duplicates. `counts`: the kernel's, now; ignored once the device has gone.
  void report(const KernelCounts& counts, InterfaceStats& into) const;

  InterfaceStats stats;           // what is counted in user space; report() adds the rest
  std::uint64_t lateRefused = 0;  // accepted by the kernel, and then refused in user space: by the filter, or as
                                  // duplicates

 private:
  // Of a device that has gone: packets the kernel counted that no block has brought, because they were dropped, or have
  // not been taken yet.
  [[nodiscard]] std::uint64_t outstanding() const;

  std::optional<std::uint64_t> receivedBefore_;  // the kernel's count when the device went
  RingPosition lastBlocks_;                      // blocks up to here may hold packets of it
  bool present_ = true;
  // The counts of those before it that have packets left in the ring, the latest first. As these packets are taken,
  // `inherited_` takes over the kernel's count of them.
  std::shared_ptr<InterfaceCounts> before_;
  std::uint64_t inherited_ = 0;
};

}  // namespace ringtap
