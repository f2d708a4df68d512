#include "core/capture/ring/ring.h"

#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/block/block.h"
#include "core/bpf/attach.h"
#include "core/capture/intake/packet_socket.h"

namespace ringtap {

namespace {

constexpr std::uint32_t kFrameSize = 2048;  // only nominal: TPACKET_V3 packs packets by their length
constexpr std::uint32_t kFewestBlocks = 4;

template <typename T>
[[nodiscard]] bool setOption(int fd, int option, const T& value) {
  return ::setsockopt(fd, SOL_PACKET, option, &value, sizeof value) == 0;
}

// The reasons are those of fanout_add() (af_packet.c).
Error refusedGroup(const FanoutGroup& group) {
  const int number = errno;
  const std::string name = "the fanout group " + std::to_string(group.id.value_or(0));
  Error error = Error::fromErrno("setsockopt", "the rings could not be grouped");
  if (number == EINVAL) {
    error.code = Code::Option;
    error.message = name + " of this network namespace has another mode, or its members receive from other interfaces";
  } else if (number == ENOSPC) {
    error.message = name + " has as many members as the kernel allows";
  }
  if (group.id) error.option = "ring.group";
  return error;
}

}  // namespace

Result<std::shared_ptr<Ring>> Ring::open(const RingOptions& options) {
  std::shared_ptr<Ring> ring(new Ring);
  ring->socket_ = UniqueFd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!ring->socket_) return Error::fromErrno("socket", "a packet socket could not be opened");
  const int fd = ring->fd();
  if (!setOption(fd, PACKET_VERSION, int{TPACKET_V3})) {
    return Error::fromErrno("setsockopt", "the kernel has no TPACKET_V3 rings");
  }
  const BlockDivision division = divide(options.blockSize);
  if (division.padding > 0 && !setOption(fd, PACKET_RESERVE, division.padding)) {
    return Error::fromErrno("setsockopt", "the kernel refused to leave room in the ring's records");
  }
  // Packets without a hardware timestamp get the system clock's (tpacket_rcv(), af_packet.c).
  if (options.hardwareTimestamps && !setOption(fd, PACKET_TIMESTAMP, int{SOF_TIMESTAMPING_RAW_HARDWARE})) {
    return Error::fromErrno("setsockopt", "the kernel refused hardware timestamps");
  }
  tpacket_req3 request{};
  request.tp_block_size = options.blockSize;
  request.tp_sizeof_priv = division.index;
  request.tp_frame_size = kFrameSize;
  request.tp_retire_blk_tov = options.maxDelayMilliseconds;
  // If the kernel refuses, retry with fewer blocks, in small steps. It refuses late: alloc_one_pg_vec_page()
  // (af_packet.c) falls back to vzalloc(), which may invoke the OOM killer before it fails.
  for (std::uint32_t blocks = options.blockCount;;) {
    request.tp_block_nr = blocks;
    request.tp_frame_nr = blocks * (options.blockSize / kFrameSize);
    if (setOption(fd, PACKET_RX_RING, request)) break;
    if (errno != ENOMEM || blocks <= kFewestBlocks) {
      return Error::fromErrno("setsockopt", "a ring of " + std::to_string(blocks) + " blocks of " +
                                                std::to_string(options.blockSize) + " bytes was refused");
    }
    blocks = std::max(kFewestBlocks, blocks - std::max(1u, blocks / 8));
  }
  ring->blockSize_ = request.tp_block_size;
  ring->blockCount_ = request.tp_block_nr;
  auto view = ring->viewOf(0);
  if (!view) return std::move(view.error());
  ring->headers_ = (*view)->block(0);
  return ring;
}

RingView::~RingView() {
  std::byte* const memory = memory_.data();
  memory_.forget();
  for (std::size_t from = 0; from < blockCount_;) {
    std::size_t to = from;
    while (to < blockCount_ && !taken_[to]) ++to;
    if (to > from) ::munmap(memory + from * blockSize_, (to - from) * blockSize_);
    from = to + 1;
  }
}

// The kernel maps a ring only as a whole (packet_mmap(), af_packet.c).
Result<PageRange> Ring::map() const {
  const std::size_t length = std::size_t{blockSize_} * blockCount_;
  void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
  if (memory == MAP_FAILED) return Error::fromErrno("mmap", "the ring could not be mapped");
  return PageRange(static_cast<std::byte*>(memory), length);
}

Result<std::shared_ptr<RingView>> Ring::viewOf(std::uint32_t index) {
  if (!view_ || !view_->has(index)) {
    auto mapped = map();
    if (!mapped) return std::move(mapped.error());
    view_ = std::make_shared<RingView>(std::move(*mapped), blockSize_, blockCount_);
  }
  return view_;
}

Result<> Ring::separateHeaders() {
  std::lock_guard lock(headersMutex_);
  if (ownHeaders_) return {};
  auto mapped = map();
  if (!mapped) return std::move(mapped.error());
  ownHeaders_ = std::move(*mapped);
  headers_ = ownHeaders_.data();
  return {};
}

Result<std::uint16_t> Ring::joinFanout(const FanoutGroup& group) {
  const int type = group.type | (group.id ? 0 : PACKET_FANOUT_FLAG_UNIQUEID);
  const int request = group.id.value_or(0) | type << 16;
  if (!setOption(fd(), PACKET_FANOUT, request)) return refusedGroup(group);
  int granted = 0;
  socklen_t length = sizeof granted;
  if (::getsockopt(fd(), SOL_PACKET, PACKET_FANOUT, &granted, &length) != 0) return Error::fromErrno("getsockopt");
  return static_cast<std::uint16_t>(granted & 0xffff);
}

void Ring::shut() {
  (void)statistics();  // reads the last counters before the socket closes
  std::lock_guard lock(statisticsMutex_);
  if (!socket_) return;
  // The mapping keeps the socket open after its descriptor is closed: without this it would continue to receive.
  (void)refusePackets(fd());
  socket_.reset();
}

bool Ring::ready(std::uint32_t index, std::uint64_t sequence) const {
  const BlockHeader& block = header(index);
  // A block that we still hold when the kernel reaches it has the same status as a new one, and may be returned at any
  // moment. The kernel numbers the blocks as it opens them (af_packet.c, prb_open_block), so the number distinguishes
  // them. It must be read first: otherwise the status could be from the time we held the block, and the number from
  // after the block was returned, while the kernel is filling it.
  if (__atomic_load_n(&block.seq_num, __ATOMIC_ACQUIRE) != sequence) return false;
  return (__atomic_load_n(&block.block_status, __ATOMIC_ACQUIRE) & kStatusUser) != 0;
}

void Ring::release(std::uint32_t index) {
  __atomic_store_n(&header(index).block_status, std::uint32_t{TP_STATUS_KERNEL}, __ATOMIC_RELEASE);
}

BlockHeader& Ring::header(std::uint32_t index) const {
  return *reinterpret_cast<BlockHeader*>(headers_ + std::size_t{index} * blockSize_);
}

RingStatistics Ring::statistics() {
  std::lock_guard lock(statisticsMutex_);
  tpacket_stats_v3 now{};
  socklen_t length = sizeof now;
  if (socket_ && ::getsockopt(fd(), SOL_PACKET, PACKET_STATISTICS, &now, &length) == 0) {
    sums_.packets += now.tp_packets;
    sums_.drops += now.tp_drops;
    sums_.freezes += now.tp_freeze_q_cnt;
  }
  return sums_;
}

}  // namespace ringtap
