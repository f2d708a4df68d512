// One packet socket with its TPACKET_V3 ring (packet(7), Documentation/networking/packet_mmap.rst).
//
// Owned by the RingIntake that opened it and by every block in use (shared_ptr): the memory is unmapped with the last
// of them. Threads: open() and joinFanout() run on the opening thread; viewOf() on the ring's loop; the rest may be
// called from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/block/record_layout.h"
#include "core/util/page_range.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// A fanout group (packet(7), PACKET_FANOUT), within which each packet of the network namespace goes to one ring.
struct FanoutGroup {
  std::optional<std::uint16_t> id;  // empty: Ring::joinFanout() creates a group with a free number, from 0 to 65535
  std::uint16_t type = 0;           // PACKET_FANOUT_*, with PACKET_FANOUT_FLAG_*; the same for all members
};

struct RingOptions {
  std::uint32_t blockSize = 1u << 20;  // bytes; a power of two times the page size, at most kLargestBlock (block.h)
  std::uint32_t blockCount = 64;
  std::uint32_t maxDelayMilliseconds = 20;  // after which a part-filled block is handed over
  std::optional<FanoutGroup> group;         // a group that other captures of the namespace may be members of too
  bool hardwareTimestamps = false;          // of packets that a device has stamped, in place of the system clock's
};

// How the rings of a capture share packets: both directions of a flow go to the same ring; each interface has a ring,
// as far as there are any; or each processor, see programByProcessor().
enum class Sharing { ByFlow, ByInterface, ByProcessor };

// The rings of a capture. With RingOptions::group all of them are members of that group, and `sharing` is unused.
struct RingLayout {
  std::uint32_t count = 1;
  Sharing sharing = Sharing::ByFlow;
  // One for each ring: its thread runs there, and its memory is of that processor's NUMA node. Empty: anywhere.
  std::vector<std::uint32_t> processors = {};
};

struct RingStatistics {
  std::uint64_t packets = 0;  // accepted by the filter, including drops
  std::uint64_t drops = 0;    // of these, dropped for lack of room
  std::uint64_t freezes = 0;  // how often the ring stopped at a block that was still held
};

// One mapping of a ring's memory, unmapped with its last reference. The addresses of single blocks can be taken out of
// it; something else may then be mapped there.
class RingView {
 public:
  RingView(PageRange memory, std::uint32_t blockSize, std::uint32_t blockCount)
      : memory_(std::move(memory)),
        blockSize_(blockSize),
        blockCount_(blockCount),
        taken_(std::make_unique<std::atomic<bool>[]>(blockCount)) {}
  // Unmaps the addresses that were not taken out.
  ~RingView();
  RingView(const RingView&) = delete;
  RingView& operator=(const RingView&) = delete;

  [[nodiscard]] std::byte* block(std::uint32_t index) const { return memory_.data() + std::size_t{index} * blockSize_; }
  [[nodiscard]] std::uint32_t blockSize() const { return blockSize_; }
  // The caller becomes the owner of the block's addresses. putBack() reverts that. Call Ring::separateHeaders() first.
  [[nodiscard]] PageRange takeOut(std::uint32_t index) {
    taken_[index] = true;
    return {block(index), blockSize_};
  }
  void putBack(std::uint32_t index, PageRange range) {
    range.forget();
    taken_[index] = false;
  }
  [[nodiscard]] bool has(std::uint32_t index) const { return !taken_[index]; }

 private:
  PageRange memory_;
  const std::uint32_t blockSize_;
  const std::uint32_t blockCount_;
  const std::unique_ptr<std::atomic<bool>[]> taken_;  // by block: its addresses were taken out
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
  // The current mapping; a new one if the addresses of this block were taken out of it.
  Result<std::shared_ptr<RingView>> viewOf(std::uint32_t index);
  // Moves the ring's access to the blocks' headers to a mapping of its own, the first time only.
  Result<> separateHeaders();

  // Whether the kernel has released the block as its `sequence`th (from 1); if true, the kernel's writes are visible.
  // False for a block that was taken before and has not been returned since.
  [[nodiscard]] bool ready(std::uint32_t index, std::uint64_t sequence) const;
  void release(std::uint32_t index);

  // Sums since the ring was opened. The kernel's counters are 32 bits wide and reset at each read, so nothing else may
  // read them.
  [[nodiscard]] RingStatistics statistics();

 private:
  Ring() = default;
  [[nodiscard]] Result<PageRange> map() const;
  // For the header alone: the rest of the block may be mapped elsewhere.
  [[nodiscard]] BlockHeader& header(std::uint32_t index) const;

  UniqueFd socket_;
  std::shared_ptr<RingView> view_;
  // Where the headers are accessed: in the first view, or in ownHeaders_. The first view outlasts each such access: it
  // is replaced on the loop's thread, and a block of it that is returned keeps it.
  std::atomic<std::byte*> headers_{nullptr};
  std::mutex headersMutex_;
  PageRange ownHeaders_;
  std::uint32_t blockSize_ = 0;
  std::uint32_t blockCount_ = 0;
  std::mutex statisticsMutex_;
  RingStatistics sums_;
};

}  // namespace ringtap
