// One packet socket with its TPACKET_V3 ring (packet(7), Documentation/networking/packet_mmap.rst).
//
// Owner: the Capture that opened it, and every block in somebody's hands (shared_ptr): the memory is unmapped when the
// last of them is gone. Which thread does what: open() and joinFanout() run on the opening thread; ready() and
// renewView() belong to the capture loop; the rest may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

struct RingOptions {
  std::uint32_t blockSize = 1u << 20;  // bytes; a power of two times the page size, kLargestBlock (block.h) at most
  std::uint32_t blockCount = 64;
  std::uint32_t maxDelayMilliseconds = 20;  // after which a part-filled block is handed over
};

// By what the rings of a group share packets: both directions of a flow to the same one, or as a program says.
enum class Sharing { ByFlow, ByProgram };

struct RingStatistics {
  std::uint64_t packets = 0;  // accepted by the filter, whether or not there was room
  std::uint64_t drops = 0;    // of these, those without room
  std::uint64_t freezes = 0;  // how often the ring came to a block that was still held
};

// One mapping of a ring's memory, unmapped with its last reference.
class RingView {
 public:
  RingView(std::byte* memory, std::size_t blockSize, std::size_t blockCount)
      : memory_(memory), blockSize_(blockSize), blockCount_(blockCount) {}
  ~RingView();
  RingView(const RingView&) = delete;
  RingView& operator=(const RingView&) = delete;

  [[nodiscard]] std::byte* block(std::uint32_t index) const { return memory_ + index * blockSize_; }

 private:
  std::byte* memory_;
  std::size_t blockSize_;
  std::size_t blockCount_;
};

class Ring {
 public:
  // Opens the socket for no protocol, so that nothing is received before the filter stands, and maps the ring. Where
  // the kernel has no memory for all the blocks, takes fewer: blockCount() tells.
  [[nodiscard]] static Result<std::shared_ptr<Ring>> open(const RingOptions& options);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Shares the packets of the namespace with the other rings of the group, each packet to one of them. The first one
  // makes the group (0) and is told its number. Only once it is bound.
  Result<std::uint16_t> joinFanout(std::uint16_t group, Sharing sharing);
  // Ends reception and closes the socket; the memory stays as long as leases need it.
  void shut();

  // The socket, for attach.h and packet_socket.h.
  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] std::uint32_t blockSize() const { return blockSize_; }
  [[nodiscard]] std::uint32_t blockCount() const { return blockCount_; }
  // The present mapping, whole: parts of older ones may have been exchanged for copies (lease.h).
  [[nodiscard]] std::shared_ptr<RingView> view() const;
  [[nodiscard]] std::byte* block(std::uint32_t index) const { return view()->block(index); }
  // Maps the ring once more and goes on with that.
  Result<> renewView();

  // The kernel has handed the block over as its `sequence`th (from 1); what it wrote is visible after this returned
  // true. False for a block that was taken before and has not been given back since.
  [[nodiscard]] bool ready(std::uint32_t index, std::uint64_t sequence) const;
  void release(std::uint32_t index);

  // Sums since the ring was opened. The kernel's counters are 32 bits wide and start again at each read; this is the
  // only reader.
  [[nodiscard]] RingStatistics statistics();

 private:
  Ring() = default;

  UniqueFd socket_;
  mutable std::mutex viewMutex_;
  std::shared_ptr<RingView> view_;
  std::uint32_t blockSize_ = 0;
  std::uint32_t blockCount_ = 0;
  std::mutex statisticsMutex_;
  RingStatistics sums_;
};

}  // namespace ringtap
