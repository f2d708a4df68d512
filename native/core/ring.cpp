#include "core/ring.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>

namespace ringtap {

namespace {

constexpr std::uint32_t kFrameSize = 2048;  // only divides blocks on paper: TPACKET_V3 packs packets by their length
constexpr std::uint32_t kFewestBlocks = 4;

template <typename T>
[[nodiscard]] bool setOption(int fd, int option, const T& value) {
  return ::setsockopt(fd, SOL_PACKET, option, &value, sizeof value) == 0;
}

std::uint32_t* statusOf(std::byte* block) {
  return &reinterpret_cast<tpacket_block_desc*>(block)->hdr.bh1.block_status;
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
  tpacket_req3 request{};
  request.tp_block_size = options.blockSize;
  request.tp_frame_size = kFrameSize;
  request.tp_retire_blk_tov = options.retireMilliseconds;
  // Ring memory is not reclaimable: where it is short, take what there is, in small steps down.
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
  const std::size_t length = std::size_t{request.tp_block_size} * request.tp_block_nr;
  void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return Error::fromErrno("mmap", "the ring could not be mapped");
  ring->memory_ = static_cast<std::byte*>(memory);
  ring->blockSize_ = request.tp_block_size;
  ring->blockCount_ = request.tp_block_nr;
  return ring;
}

Ring::~Ring() {
  if (memory_ != nullptr) ::munmap(memory_, std::size_t{blockSize_} * blockCount_);
}

Result<> Ring::attach(std::span<const FilterInstruction> program) {
  static_assert(sizeof(FilterInstruction) == sizeof(sock_filter));
  const sock_fprog request{
      static_cast<unsigned short>(program.size()),
      reinterpret_cast<sock_filter*>(const_cast<FilterInstruction*>(program.data())),
  };
  if (::setsockopt(fd(), SOL_SOCKET, SO_ATTACH_FILTER, &request, sizeof request) == 0) return {};
  if (errno == ENOMEM) {
    return Error::fromErrno("setsockopt",
                            "the kernel has no room for a filter of " + std::to_string(program.size()) +
                                " instructions (sysctl net.core.optmem_max)",
                            Code::FilterTooLarge);
  }
  return Error::fromErrno("setsockopt", "the kernel refused the socket filter");
}

Result<> Ring::attach(int ebpfProgram) {
  if (::setsockopt(fd(), SOL_SOCKET, SO_ATTACH_BPF, &ebpfProgram, sizeof ebpfProgram) == 0) return {};
  return Error::fromErrno("setsockopt", "the kernel refused the eBPF socket filter");
}

Result<> Ring::bind(std::uint32_t interface) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(interface);
  if (::bind(fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return {};
  return Error::fromErrno("bind", "the packet socket could not be bound");
}

Result<> Ring::setPromiscuous(std::uint32_t interface, bool on) {
  packet_mreq request{};
  request.mr_ifindex = static_cast<int>(interface);
  request.mr_type = PACKET_MR_PROMISC;
  if (setOption(fd(), on ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, request)) return {};
  return Error::fromErrno("setsockopt",
                          on ? "promiscuous mode could not be set" : "promiscuous mode could not be left");
}

void Ring::shut() {
  (void)statistics();  // the last figures, before they go with the socket
  std::lock_guard lock(statisticsMutex_);
  if (!socket_) return;
  // The mapping holds the socket open behind the descriptor: without this it would go on receiving.
  const FilterInstruction nothing{BPF_RET | BPF_K, 0, 0, 0};
  (void)attach({&nothing, 1});
  socket_.reset();
}

bool Ring::ready(std::uint32_t index) const {
  return (__atomic_load_n(statusOf(block(index)), __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
}

void Ring::giveBack(std::uint32_t index) {
  __atomic_store_n(statusOf(block(index)), std::uint32_t{TP_STATUS_KERNEL}, __ATOMIC_RELEASE);
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
