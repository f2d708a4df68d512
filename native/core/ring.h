// One packet socket with its TPACKET_V3 ring (packet(7), Documentation/networking/packet_mmap.rst).
//
// Owner: the Capture that opened it, and every lease on one of its blocks (shared_ptr): the memory is unmapped when the
// last of them is gone. Which thread does what: open() to bind() run on the opening thread; ready() belongs to the
// capture loop; giveBack(), attach() and statistics() may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "core/filter.h"
#include "core/result.h"
#include "core/unique_fd.h"

namespace ringtap {

struct RingOptions {
  std::uint32_t blockSize = 1u << 20;  // bytes; a power of two times the page size
  std::uint32_t blockCount = 64;
  std::uint32_t retireMilliseconds = 20;  // after which a part-filled block is handed over
};

struct RingStatistics {
  std::uint64_t packets = 0;  // accepted by the filter, whether or not there was room
  std::uint64_t drops = 0;    // of these, those without room
  std::uint64_t freezes = 0;  // how often the ring came to a block that was still held
};

class Ring {
 public:
  // Opens the socket for no protocol, so that nothing is received before the filter stands, and maps the ring. Where
  // the kernel has no memory for all the blocks, takes fewer: blockCount() tells.
  [[nodiscard]] static Result<std::shared_ptr<Ring>> open(const RingOptions& options);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Replaces the socket filter, atomically: each packet sees the old one or the new one.
  Result<> attach(std::span<const FilterInstruction> program);
  Result<> attach(int ebpfProgram);
  // Starts reception from `interface`, or from every interface of the namespace where it is 0.
  Result<> bind(std::uint32_t interface);
  // A promiscuous membership for one interface; the kernel drops it with the socket or the device.
  Result<> setPromiscuous(std::uint32_t interface, bool on);
  // Ends reception and closes the socket; the memory stays as long as leases need it.
  void shut();

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] std::uint32_t blockSize() const { return blockSize_; }
  [[nodiscard]] std::uint32_t blockCount() const { return blockCount_; }
  [[nodiscard]] std::byte* block(std::uint32_t index) const { return memory_ + std::size_t{index} * blockSize_; }

  // The kernel has handed the block over; what it wrote is visible after this returned true.
  [[nodiscard]] bool ready(std::uint32_t index) const;
  void giveBack(std::uint32_t index);

  // Sums since the ring was opened. The kernel's counters are 32 bits wide and start again at each read; this is the
  // only reader.
  [[nodiscard]] RingStatistics statistics();

 private:
  Ring() = default;

  UniqueFd socket_;
  std::byte* memory_ = nullptr;
  std::uint32_t blockSize_ = 0;
  std::uint32_t blockCount_ = 0;
  std::mutex statisticsMutex_;
  RingStatistics sums_;
};

}  // namespace ringtap
