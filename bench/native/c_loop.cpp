// The baseline of the benchmarks: the cost of walking a TPACKET_V3 ring in C, with ringtap's settings.
//
// Implements the protocol of bench/support/consumer-process.ts: commands as lines on standard input, each answered in
// JSON.

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "clock.h"

namespace {

constexpr const char* usage =
    "usage: c_loop lengths|fields|sockets BLOCK_SIZE BLOCK_COUNT RETIRE_MS SNAPLEN INTERFACE...\n\n"
    "  lengths  one ring for all interfaces, filtered to the first; adds up the captured lengths\n"
    "  fields   the same; looks at the first byte, the time and the interface of each packet\n"
    "  sockets  a ring of its own for each interface; adds up the captured lengths\n";

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Totals {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t sum = 0;  // sum of the other values read by a visit
  std::uint64_t latest = 0;
};

class Ring {
 public:
  // Captures on `interface`, or on all interfaces with a filter for `only`.
  Ring(unsigned interface, unsigned only, std::uint32_t blockSize, std::uint32_t blockCount, unsigned retire,
       std::uint32_t snapshotLength)
      : blockSize_(blockSize), blockCount_(blockCount) {
    socket_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (socket_ < 0) fail("socket");
    const int version = TPACKET_V3;
    if (setsockopt(socket_, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0) fail("PACKET_VERSION");
    sock_filter one[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, only, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, snapshotLength),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    sock_filter every[] = {BPF_STMT(BPF_RET | BPF_K, snapshotLength)};
    const sock_fprog program = interface == 0 ? sock_fprog{4, one} : sock_fprog{1, every};
    if (setsockopt(socket_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0) fail("SO_ATTACH_FILTER");
    tpacket_req3 request{};
    request.tp_block_size = blockSize;
    request.tp_block_nr = blockCount;
    request.tp_frame_size = 2048;
    request.tp_frame_nr = blockCount * (blockSize / 2048);
    request.tp_retire_blk_tov = retire;
    if (setsockopt(socket_, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) < 0) fail("PACKET_RX_RING");
    void* memory = mmap(nullptr, std::size_t{blockSize} * blockCount, PROT_READ | PROT_WRITE, MAP_SHARED, socket_, 0);
    if (memory == MAP_FAILED) fail("mmap");
    memory_ = static_cast<std::uint8_t*>(memory);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(interface);
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fail("bind");
  }

  [[nodiscard]] int fd() const { return socket_; }

  // Visits every block that the kernel has handed over.
  template <typename Visit>
  void drain(Totals& totals, Visit&& visit) {
    for (;;) {
      auto* block = reinterpret_cast<tpacket_block_desc*>(memory_ + std::size_t{cursor_} * blockSize_);
      auto& header = block->hdr.bh1;
      if ((__atomic_load_n(&header.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) return;
      const std::uint32_t count = header.num_pkts;
      const std::uint8_t* at = reinterpret_cast<std::uint8_t*>(block) + header.offset_to_first_pkt;
      for (std::uint32_t i = 0; i < count; i++) {
        const auto& packet = *reinterpret_cast<const tpacket3_hdr*>(at);
        visit(packet, at);
        at += packet.tp_next_offset;
      }
      totals.packets += count;
      __atomic_store_n(&header.block_status, std::uint32_t{TP_STATUS_KERNEL}, __ATOMIC_RELEASE);
      cursor_ = (cursor_ + 1) % blockCount_;
    }
  }

 private:
  int socket_ = -1;
  std::uint8_t* memory_ = nullptr;
  std::uint32_t blockSize_;
  std::uint32_t blockCount_;
  std::uint32_t cursor_ = 0;
};

class Consumer {
 public:
  Consumer(bool fields, std::vector<std::unique_ptr<Ring>> rings) : fields_(fields), rings_(std::move(rings)) {
    for (const auto& ring : rings_) polled_.push_back({ring->fd(), POLLIN, 0});
    polled_.push_back({STDIN_FILENO, POLLIN, 0});
    char name[IF_NAMESIZE];
    for (unsigned index = 0; index < 4096; index++) {
      names_.emplace_back(if_indextoname(index, name) != nullptr ? name : "");
    }
  }

  void run() {
    for (;;) {
      if (poll(polled_.data(), polled_.size(), -1) < 0) fail("poll");
      wakeups_++;
      drain();
      if (polled_.back().revents != 0 && !command()) return;
    }
  }

 private:
  void drain() {
    for (const auto& ring : rings_) {
      if (fields_) {
        ring->drain(totals_, [this](const tpacket3_hdr& packet, const std::uint8_t* at) {
          totals_.bytes += packet.tp_snaplen;
          totals_.sum += at[packet.tp_mac];
          const std::uint64_t time = std::uint64_t{packet.tp_sec} * 1'000'000'000u + packet.tp_nsec;
          if (time > totals_.latest) totals_.latest = time;
          const auto& from = *reinterpret_cast<const sockaddr_ll*>(at + TPACKET_ALIGN(sizeof(tpacket3_hdr)));
          totals_.sum += names_[static_cast<unsigned>(from.sll_ifindex) % 4096].size();
        });
      } else {
        ring->drain(totals_,
                    [this](const tpacket3_hdr& packet, const std::uint8_t*) { totals_.bytes += packet.tp_snaplen; });
      }
    }
  }

  bool command() {
    char line[64];
    const ssize_t length = read(STDIN_FILENO, line, sizeof line - 1);
    if (length <= 0) return false;
    line[length] = 0;
    if (std::strncmp(line, "fill", 4) == 0) {
      fill();
    } else if (std::strncmp(line, "mark", 4) == 0) {
      totals_ = {};
      wakeups_ = 0;
      cpu_ = clockSeconds(CLOCK_PROCESS_CPUTIME_ID);
      answer();
    } else if (std::strncmp(line, "report", 6) == 0) {
      answer();
    } else {
      return false;
    }
    return true;
  }

  // Stops until the other process reports that the ring is full, then reads until no packet arrives for 100 ms.
  void fill() {
    totals_ = {};
    cpu_ = clockSeconds(CLOCK_PROCESS_CPUTIME_ID);
    std::puts("{\"stalled\":true}");
    std::fflush(stdout);
    char byte;
    if (read(3, &byte, 1) <= 0) std::exit(1);
    const double began = clockSeconds(CLOCK_MONOTONIC);
    double ended = began;
    do {
      drain();
      ended = clockSeconds(CLOCK_MONOTONIC);
    } while (poll(polled_.data(), polled_.size() - 1, 100) > 0);
    rate_ = static_cast<double>(totals_.packets) / (ended - began);
    answer();
  }

  void answer() {
    std::printf("{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"rate\":%.1f,\"cpu\":%.9f,\"wakeups\":%" PRIu64
                ",\"check\":%" PRIu64 "}\n",
                totals_.packets, totals_.bytes, rate_, clockSeconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_, wakeups_,
                totals_.sum + (totals_.latest & 1));
    std::fflush(stdout);
  }

  bool fields_;
  std::vector<std::unique_ptr<Ring>> rings_;
  std::vector<pollfd> polled_;
  std::vector<std::string> names_;
  Totals totals_;
  double cpu_ = 0;
  double rate_ = 0;
  std::uint64_t wakeups_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fputs(usage, stderr);
    return 2;
  }
  const double began = clockSeconds(CLOCK_MONOTONIC);
  const std::string mode = argv[1];
  const auto number = [&](int i) { return static_cast<std::uint32_t>(std::strtoul(argv[i], nullptr, 10)); };
  std::vector<std::unique_ptr<Ring>> rings;
  for (int i = 6; i < argc; i++) {
    const unsigned index = if_nametoindex(argv[i]);
    if (index == 0) fail(argv[i]);
    const unsigned bound = mode == "sockets" ? index : 0;
    rings.push_back(std::make_unique<Ring>(bound, index, number(2), number(3), number(4), number(5)));
    if (bound == 0) break;
  }
  std::printf("{\"ready\":true,\"seconds\":%.6f}\n", clockSeconds(CLOCK_MONOTONIC) - began);
  std::fflush(stdout);
  Consumer(mode == "fields", std::move(rings)).run();
  return 0;
}
