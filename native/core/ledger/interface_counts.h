// The packet counts of one device of one generation: its part of the ledger.
//
// No system calls. Not thread-safe: guarded by SelectionTable's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/block/ring_position.h"
#include "core/links/device_losses.h"

namespace ringtap {

// The counts of one interface. Packets are counted as delivered or unselected when their block is handed out.
struct InterfaceStats {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  std::string name;
  bool present = true;
  bool selected = false;
  std::optional<std::uint64_t> received;  // accepted by the filter; unknown with classic BPF
  std::uint64_t taken = 0;                // found in blocks, before any verdict
  std::uint64_t delivered = 0;
  std::uint64_t bytes = 0;              // captured bytes of the delivered packets
  std::uint64_t droppedByRecorder = 0;  // for a recorder only, and not written
  std::uint64_t droppedByOverflow = 0;  // taken for JavaScript, and dropped because it did not read them
  std::uint64_t unselected = 0;
  std::uint64_t truncated = 0;
  std::uint64_t queued = 0;        // taken, not yet handed out
  std::uint64_t duplicates = 0;    // refused as duplicates, here or by the kernel; not part of received and taken
  std::uint64_t beyondCutoff = 0;  // refused by the kernel as beyond the cut-off; not part of received and taken
  std::uint64_t sampledOut = 0;    // refused by the sampling alone, here or by the kernel; likewise
  // Packets lost by the device before packet sockets receive them, since it was first selected; nullopt if unknown.
  std::optional<DeviceLosses> losses;
};

// The counts of the kernel's filter for the index of a present device (core/bpf/kernel_filter.h).
struct KernelCounts {
  std::optional<std::uint64_t> accepted;
  std::uint64_t duplicates = 0;
  std::uint64_t beyondCutoff = 0;
  std::uint64_t sampledOut = 0;
};

class InterfaceCounts {
 public:
  // Call it once, with the counts of the previous device of this index. User space assigns a packet to the device that
  // has the index when the packet's block is taken; the kernel counts it for the device that had the index when the
  // packet was received. The two differ if a device is removed and returns with the same index, for example because it
  // was moved to another namespace and back.
  void follow(std::shared_ptr<InterfaceCounts> before);
  // Reports that `records` packets of the index were taken with this block. Moves the kernel's count of packets
  // received before this device from the previous devices to this one. Exact if no packet was lost, because the
  // previous devices' packets are taken first. After a loss, packets lost by previous devices may be counted for this
  // one.
  void inherit(BlockNumber block, std::uint64_t records);
  // The device was removed; blocks up to `position` may hold packets of it.
  void leave(const KernelCounts& counts, const RingPosition& position);

  // Fills in received, duplicates, beyondCutoff and sampledOut. `counts`: the kernel's present counts; ignored after
  // leave().
  void report(const KernelCounts& counts, InterfaceStats& into) const;

  InterfaceStats stats;           // the counts made in user space; report() adds the others
  std::uint64_t lateRefused = 0;  // accepted by the kernel, and then refused in user space: by the filter or the
                                  // sampling, or as duplicates

 private:
  // After leave(): packets that the kernel has counted and that were in no block, because they were dropped or have not
  // been taken yet.
  [[nodiscard]] std::uint64_t outstanding() const;

  std::optional<std::uint64_t> receivedBefore_;  // the kernel's count when the device was removed
  RingPosition lastBlocks_;                      // blocks up to here may hold packets of it
  bool present_ = true;
  // The counts of previous devices of this index with packets left in the ring, latest first. As these packets are
  // taken, their count moves to `inherited_`.
  std::shared_ptr<InterfaceCounts> before_;
  std::uint64_t inherited_ = 0;
};

}  // namespace ringtap
