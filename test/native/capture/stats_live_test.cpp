// Capture::stats() makes no system call that waits for the kernel's RTNL lock: a seccomp filter on the calling thread
// refuses and records all that could.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <optional>
#include <thread>

#include "core/capture/capture.h"
#include "support/check.h"
#include "support/filter_modes.h"
#include "support/traffic.h"

using namespace ringtap;
using support::addPair;
using support::filterModes;
using support::indexOf;
using support::ip;
using support::Sender;

namespace {

// The call that was refused last; -1: none was.
std::atomic<int> refusedCall{-1};

// Runs in place of a refused call, which then fails with EACCES.
void onRefused(int, siginfo_t* info, void* context) {
  refusedCall = info->si_syscall;
  [[maybe_unused]] auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  registers.gregs[REG_RAX] = -EACCES;
#elif defined(__aarch64__)
  registers.regs[0] = static_cast<unsigned long long>(-EACCES);
#endif
}

// Requests to netlink and ioctl(2) on devices run under the lock; so does setsockopt(2) where it changes a device's
// flags. Sockets in which to make such requests are refused as well. The filter stays on the calling thread until it
// ends.
bool refuseRtnl() {
  struct sigaction action {};
  action.sa_sigaction = onRefused;
  action.sa_flags = SA_SIGINFO;
  if (::sigaction(SIGSYS, &action, nullptr) != 0) return false;
  constexpr std::array kRefused{SYS_sendto,  SYS_sendmsg,  SYS_sendmmsg, SYS_recvfrom,
                                SYS_recvmsg, SYS_recvmmsg, SYS_ioctl,    SYS_setsockopt,
                                SYS_socket,  SYS_write,    SYS_writev,   SYS_io_uring_enter};
  std::vector<sock_filter> program{{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)}};
  for (const long call : kRefused) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(call)});
    program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP});
  }
  program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  const sock_fprog request{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &request) == 0;
}

// Sends frames longer than the MTU of the other end, which drops each before any packet socket receives it. The kernel
// may report the drop to the sender, so errors are ignored.
void lose(const std::string& name, int count) {
  const UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(indexOf(name));
  const std::array<std::uint8_t, 1400> frame{};
  for (int i = 0; i < count; ++i) {
    (void)!::sendto(socket.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
}

// Calls stats() on a thread on which such calls are refused and recorded.
CaptureStats confinedStats(Capture& capture) {
  CaptureStats stats;
  bool refusing = false, works = false;
  int refused = -1;
  // Nothing is checked there: writing a message would be refused too.
  std::thread([&] {
    refusing = refuseRtnl();
    refusedCall = -1;
    stats = capture.stats();
    refused = refusedCall;
    works = ::ioctl(-1, 0) < 0 && refusedCall == SYS_ioctl;
  }).join();
  CHECK(refusing && works);
  CHECK(refused == -1);
  return stats;
}

CaptureConfig configOf(FilterMode mode) {
  CaptureConfig config;
  config.ring.blockSize = 1u << 18;
  config.ring.blockCount = 8;
  config.overflowMemory = std::size_t{4} << 20;
  config.hotplug = true;
  config.promiscuous = true;
  config.filterMode = mode;
  config.selection = std::make_shared<const InterfaceSelection>(InterfaceSelection::byNames({"far0"}));
  return config;
}

std::vector<CaptureConfig> ways() {
  std::vector<CaptureConfig> configs;
  for (const FilterMode mode : filterModes()) configs.push_back(configOf(mode));
  configs.push_back(configOf(FilterMode::Auto));
  configs.back().backend = Backend::Pcap;
  configs.back().pcap.memory = std::size_t{8} << 20;
  return configs;
}

std::optional<InterfaceStats> statsOf(const CaptureStats& stats, std::uint32_t index) {
  for (const InterfaceStats& one : stats.table.interfaces) {
    if (one.index == index) return one;
  }
  return std::nullopt;
}

}  // namespace

TEST(statsMakeNoCallThatTakesTheRtnlLock) {
  addPair("eth0", "far0");
  const std::uint32_t far = indexOf("far0");
  for (const CaptureConfig& config : ways()) {
    auto monitor = InterfaceMonitor::open();
    CHECK(monitor.ok());
    auto opened = Capture::open(config, std::move(*monitor), [] {});
    CHECK(opened.ok());
    if (!opened) return;
    Capture& capture = **opened;
    CHECK(capture.start().ok());
    ip("link set dev far0 mtu 1000");
    lose("eth0", 7);
    Sender().send("eth0", 0, 5);
    while (capture.stats().received < 5) std::this_thread::yield();
    const CaptureStats stats = confinedStats(capture);
    CHECK(stats.received == 5 && stats.softnet);
    const auto one = statsOf(stats, far);
    CHECK(one && one->losses && one->losses->dropped == 7);
    if (config.filterMode != FilterMode::Classic) CHECK(one && one->received == 5);
    CHECK(capture.lossReader() == nullptr);
    ip("link set dev far0 mtu 1500");
  }
  ip("link del dev eth0");
}
