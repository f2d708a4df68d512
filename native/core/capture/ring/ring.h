// One packet socket with its TPACKET_V3 ring (packet(7), Documentation/networking/packet_mmap.rst).
//
// Owned by the RingIntake that opened it and by every block in use (shared_ptr): the memory is unmapped with the last
// of them. Threads: open() and joinFanout() run on the opening thread; ready() and renewView() on the ring's loop; the
// rest may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// A fanout group (packet(7), PACKET_FANOUT), within which each packet of the network namespace goes to one ring.
struct FanoutGroup {
  std::uint16_t id = 0;    // 0: Ring::joinFanout() creates a group with a free number
  std::uint16_t type = 0;  // PACKET_FANOUT_*, with PACKET_FANOUT_FLAG_*; the same for all members
};

struct RingOptions {
  std::uint32_t blockSize = 1u << 20;  // bytes; a power of two times the page size, at most kLargestBlock (block.h)
  std::uint32_t blockCount = 64;
  std::uint32_t maxDelayMilliseconds = 20;  // after which a part-filled block is handed over
  std::optional<FanoutGroup> group;         // a group that other captures of the namespace may be members of too
};

// How the rings of a capture share packets: both directions of a flow go to the same ring, or a program selects.
enum class Sharing { ByFlow, ByProgram };

struct RingStatistics {
  std::uint64_t packets = 0;  // accepted by the filter, including drops
  std::uint64_t drops = 0;    // of these, dropped for lack of room
  std::uint64_t freezes = 0;  // how often the ring stopped at a block that was still held
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
  // Opens the socket for no protocol, so that nothing is received before the filter is attached, and maps the ring. If
  // the kernel cannot allocate all blocks, it gets fewer: see blockCount().
  [[nodiscard]] static Result<std::shared_ptr<Ring>> open(const RingOptions& options);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Joins the group; returns its number. The socket must be bound. Code::Option, EINVAL: the group exists with another
  // type, or its members are bound differently. Code::System, ENOSPC: it is full. The kernel takes the socket out of
  // the group when it is closed and its memory unmapped.
  Result<std::uint16_t> joinFanout(const FanoutGroup& group);
  // Ends reception and closes the socket; the memory stays mapped while leases use it.
  void shut();

  // The socket, for attach.h and packet_socket.h.
  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] std::uint32_t blockSize() const { return blockSize_; }
  [[nodiscard]] std::uint32_t blockCount() const { return blockCount_; }
  // The current mapping. All of it is the ring; parts of older mappings may have been replaced by copies (lease.h).
  [[nodiscard]] std::shared_ptr<RingView> view() const;
  [[nodiscard]] std::byte* block(std::uint32_t index) const { return view()->block(index); }
  // Maps the ring again and makes that the current mapping.
  Result<> renewView();

  // Whether the kernel has released the block as its `sequence`th (from 1); if true, the kernel's writes are visible.
  // False for a block that was taken before and has not been returned since.
  [[nodiscard]] bool ready(std::uint32_t index, std::uint64_t sequence) const;
  void release(std::uint32_t index);

  // Sums since the ring was opened. The kernel's counters are 32 bits wide and reset at each read, so nothing else may
  // read them.
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
