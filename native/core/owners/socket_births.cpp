#include "core/owners/socket_births.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/bpf/ebpf.h"
#include "core/bpf/ebpf_assembler.h"
#include "core/linux/proc_file.h"

namespace ringtap {

namespace {

// Bytes; some 4000 births.
constexpr std::uint32_t kRing = 256 << 10;

std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

// Writes a SocketBirth of TCP or UDP from the stack into the ring, and permits the socket.
std::vector<bpf_insn> program(int ring) {
  using namespace ebpf;
  std::vector<bpf_insn> instructions;
  Assembler out(instructions);
  constexpr auto base = -static_cast<std::int16_t>(sizeof(SocketBirth));
  const auto store = [&](std::size_t field) {
    out.emit(BPF_STX | BPF_MEM | BPF_DW, R10, R0, static_cast<std::int16_t>(base + static_cast<int>(field)), 0);
  };
  const auto address = [&](std::uint8_t reg, std::size_t field) {
    out.copy64(reg, R10);
    out.emit(BPF_ALU64 | BPF_ADD | BPF_K, reg, 0, 0, base + static_cast<std::int32_t>(field));
  };
  out.copy64(R6, R1);
  out.context(R1, offsetof(bpf_sock, protocol));
  const std::size_t tcp = out.jump(BPF_JEQ, R1, IPPROTO_TCP);
  const std::size_t other = out.jump(BPF_JNE, R1, IPPROTO_UDP);
  (void)out.land(tcp);
  out.call(BPF_FUNC_ktime_get_ns);
  store(offsetof(SocketBirth, time));
  out.copy64(R1, R6);
  out.call(BPF_FUNC_get_socket_cookie);
  store(offsetof(SocketBirth, cookie));
  out.call(BPF_FUNC_get_current_pid_tgid);
  store(offsetof(SocketBirth, process));
  out.call(BPF_FUNC_get_current_uid_gid);
  store(offsetof(SocketBirth, user));
  address(R1, offsetof(SocketBirth, name));
  out.set(R2, sizeof(SocketBirth::name));
  out.call(BPF_FUNC_get_current_comm);
  out.emit(BPF_LD | BPF_DW | BPF_IMM, R1, BPF_PSEUDO_MAP_FD, 0, ring);
  out.emit(0, 0, 0, 0, 0);
  address(R2, 0);
  out.set(R3, sizeof(SocketBirth));
  out.set(R4, 0);
  // If the ring is full, the birth is not recorded: the socket then has no known maker.
  out.call(BPF_FUNC_ringbuf_output);
  (void)out.land(other);
  out.set(R0, 1);
  out.exit();
  return instructions;
}

}  // namespace

std::string groupMount(const std::string& mountinfo) {
  // proc_pid_mountinfo(5): the mount point is the fifth field, the type the first behind " - ".
  for (std::size_t at = 0; at < mountinfo.size();) {
    const std::size_t end = std::min(mountinfo.find('\n', at), mountinfo.size());
    const std::string line = mountinfo.substr(at, end - at);
    at = end + 1;
    const std::size_t type = line.find(" - ");
    if (type == std::string::npos || line.compare(type + 3, 8, "cgroup2 ") != 0) continue;
    std::size_t from = 0;
    for (int field = 0; field < 4 && from != std::string::npos; ++field) {
      from = line.find(' ', from);
      if (from != std::string::npos) ++from;
    }
    if (from != std::string::npos) return line.substr(from, line.find(' ', from) - from);
  }
  return {};
}

Result<SocketBirths> SocketBirths::open() {
  if (!mayUseBpf()) {
    errno = EPERM;
    return Error::fromErrno("bpf", "eBPF is not available to this process");
  }
  const auto mounts = ProcFile("/proc/self/mountinfo").read();
  const std::string mount = groupMount(mounts.value_or(""));
  if (mount.empty()) return Error{Code::Option, "control groups of version 2 are not mounted"};
  const UniqueFd group(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!group) return Error::fromErrno("open", "the control group " + mount + " cannot be opened");

  auto ring = createRing(kRing);
  if (!ring) return std::move(ring.error());
  SocketBirths births(std::move(*ring));
  if (auto mapped = births.map(); !mapped) return std::move(mapped.error());
  auto loaded = loadSocketWatcher(program(births.fd()));
  if (!loaded) return std::move(loaded.error());
  auto link = attachToGroup(loaded->get(), group.get());
  if (!link) return std::move(link.error());
  births.link_ = std::move(*link);
  return births;
}

Result<> SocketBirths::map() {
  // The kernel's layout of the mapping: kernel/bpf/ringbuf.c.
  void* consumer = ::mmap(nullptr, page(), PROT_READ | PROT_WRITE, MAP_SHARED, ring_.get(), 0);
  if (consumer == MAP_FAILED) return Error::fromErrno("mmap", "the ring of new sockets could not be mapped");
  consumer_ = consumer;
  void* data =
      ::mmap(nullptr, page() + std::size_t{2} * kRing, PROT_READ, MAP_SHARED, ring_.get(), static_cast<off_t>(page()));
  if (data == MAP_FAILED) return Error::fromErrno("mmap", "the ring of new sockets could not be mapped");
  data_ = static_cast<const std::uint8_t*>(data);
  return {};
}

SocketBirths::SocketBirths(SocketBirths&& other) noexcept
    : ring_(std::move(other.ring_)),
      link_(std::move(other.link_)),
      consumer_(std::exchange(other.consumer_, nullptr)),
      data_(std::exchange(other.data_, nullptr)) {}

SocketBirths::~SocketBirths() {
  if (consumer_ != nullptr) (void)::munmap(consumer_, page());
  if (data_ != nullptr) (void)::munmap(const_cast<std::uint8_t*>(data_), page() + std::size_t{2} * kRing);
}

bool SocketBirths::read(std::vector<SocketBirth>& into) {
  // The positions are unsigned longs, a record's head is its length with two flags in 32 bits and 32 bits of the
  // kernel's own.
  using Position = unsigned long;
  auto* read = static_cast<Position*>(consumer_);
  const auto* written = reinterpret_cast<const Position*>(data_);
  const std::uint8_t* ring = data_ + page();
  Position position = *read;
  while (position < __atomic_load_n(written, __ATOMIC_ACQUIRE)) {
    const std::uint8_t* record = ring + (position & (kRing - 1));
    const std::uint32_t length = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(record), __ATOMIC_ACQUIRE);
    if ((length & BPF_RINGBUF_BUSY_BIT) != 0) return false;
    const std::uint32_t size = length & ~BPF_RINGBUF_DISCARD_BIT;
    if ((length & BPF_RINGBUF_DISCARD_BIT) == 0 && size == sizeof(SocketBirth)) {
      std::memcpy(&into.emplace_back(), record + BPF_RINGBUF_HDR_SZ, sizeof(SocketBirth));
    }
    position += (BPF_RINGBUF_HDR_SZ + size + 7) / 8 * 8;
    // Sequentially consistent: the kernel compares it with its own position to decide whether to wake the reader.
    __atomic_store_n(read, position, __ATOMIC_SEQ_CST);
  }
  return true;
}

}  // namespace ringtap
