// Sends numbered frames (frame.h) through AF_PACKET, for the live tests and the benchmarks.
//
// Frame i goes to interface i modulo the number of interfaces. One system call sends many frames, to any of the
// interfaces: the socket is not bound, and each message of a sendmmsg names its device. (A TPACKET TX ring measured
// within 5 % of this and cannot report which frames were refused.)

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tools/arguments.h"
#include "tools/frame.h"
#include "tools/inject.h"
#include "tools/pacer.h"

namespace {

constexpr const char* usage = R"(usage: send --interface NAME[,NAME…] --count N [options]

  --interface NAMES   where to: one name or several, by comma or by repeating the option; frames go round robin
  --count N           how many frames
  --start N           number of the first frame (0)
  --size BYTES        of the whole frame, with a VLAN tag, without the check sequence (64; at least 60)
  --rate PPS          frames a second, evenly paced; 0: as fast as it goes (0)
  --burst N           most frames in one system call (64)
  --label N           the label in the first interface's frames; the next one's is one more (0)
  --vlan TCI          insert an 802.1Q tag with this TCI
  --tpid NUMBER       with this EtherType (33024: 0x8100; 34984, 0x88a8: 802.1ad)
  --raw               IP packets without an Ethernet header, for tun devices
  --source MAC        (02:00:00:00:00:01)
  --destination MAC   (02:00:00:00:00:02)
  --port N            UDP port of both ends (9)
  --flows N           source ports in turn, from --port on (1)
  --bypass            past the queueing discipline (PACKET_QDISC_BYPASS): faster, and taps on the sending interface do
                      not see the frames
  --inject            do not send but let the (one) interface receive the frames, through an XDP test run: the highest
                      rate; needs CAP_BPF and kernel 5.18, frames of at most 3300 bytes; bursts as large as due; the
                      counters of the interface do not count them
  --cpu N             run on this processor only: with --inject, the interface receives there too
  --keep-going        repeat a frame that was refused (ENOBUFS, EAGAIN) until it is sent

Prints {"sent","seconds","packetsPerSecond","refused","dropped"}: "refused" counts refusals by the kernel, "dropped" what
the sending devices counted as dropped after having taken it, during the run, whoever sent it (a veth drops when the
receiving CPU's backlog is full). Exit code: 0 all sent, 1 not all sent, 2 wrong command line.
)";

struct Options {
  std::vector<std::string> interfaces;
  std::uint64_t count = 0;
  std::uint64_t start = 0;
  std::uint64_t rate = 0;
  std::uint32_t burst = 64;
  std::uint16_t label = 0;
  int cpu = -1;
  bool bypass = false;
  bool keepGoing = false;
  bool inject = false;
  frames::Shape shape;
};

Options parse(int argc, char** argv) {
  Options options;
  bool counted = false;
  for (int i = 1; i < argc; i++) {
    const std::string option = argv[i];
    const auto text = [&]() -> std::string {
      if (i + 1 >= argc) arguments::wrong(option + " wants a value", usage);
      return argv[++i];
    };
    const auto number = [&](std::uint64_t max) { return arguments::wholeNumber(option, text(), max, usage); };
    if (option == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    } else if (option == "--interface") {
      std::istringstream list(text());
      for (std::string name; std::getline(list, name, ',');) {
        if (!name.empty()) options.interfaces.push_back(name);
      }
    } else if (option == "--count") {
      options.count = number(UINT64_MAX);
      counted = true;
    } else if (option == "--start") {
      options.start = number(UINT64_MAX);
    } else if (option == "--size") {
      options.shape.size = static_cast<std::uint32_t>(number(frames::maximumSize));
    } else if (option == "--rate") {
      options.rate = number(1'000'000'000);
    } else if (option == "--burst") {
      options.burst = static_cast<std::uint32_t>(number(1024));  // UIO_MAXIOV: sendmmsg's limit
    } else if (option == "--label") {
      options.label = static_cast<std::uint16_t>(number(65535));
    } else if (option == "--vlan") {
      options.shape.vlan = static_cast<std::uint16_t>(number(65535));
    } else if (option == "--tpid") {
      options.shape.tpid = static_cast<std::uint16_t>(number(65535));
    } else if (option == "--raw") {
      options.shape.raw = true;
    } else if (option == "--source") {
      options.shape.source = arguments::mac(option, text(), usage);
    } else if (option == "--destination") {
      options.shape.destination = arguments::mac(option, text(), usage);
    } else if (option == "--port") {
      options.shape.port = static_cast<std::uint16_t>(number(65535));
    } else if (option == "--flows") {
      options.shape.flows = static_cast<std::uint32_t>(number(65535));
    } else if (option == "--cpu") {
      options.cpu = static_cast<int>(number(CPU_SETSIZE - 1));
    } else if (option == "--bypass") {
      options.bypass = true;
    } else if (option == "--inject") {
      options.inject = true;
    } else if (option == "--keep-going") {
      options.keepGoing = true;
    } else {
      arguments::wrong("unknown option " + option, usage);
    }
  }
  if (options.interfaces.empty()) arguments::wrong("--interface is missing", usage);
  if (!counted) arguments::wrong("--count is missing", usage);
  if (options.burst == 0) arguments::wrong("--burst must be at least 1", usage);
  if (options.label + options.interfaces.size() - 1 > 65535) arguments::wrong("--label is too large", usage);
  arguments::checkShape(options.shape, usage);
  if (options.inject && (options.interfaces.size() != 1 || options.shape.raw || options.bypass ||
                         options.shape.size > inject::maximumSize)) {
    arguments::wrong("--inject takes one interface and no --raw, --bypass or frames above 3300 bytes", usage);
  }
  return options;
}

// The interfaces' "transmit drops", summed, from /proc/net/dev, which shows the own namespace (sysfs may show another).
std::uint64_t transmitDrops(const std::vector<std::string>& interfaces) {
  std::ifstream table("/proc/thread-self/net/dev");
  std::uint64_t sum = 0;
  for (std::string line; std::getline(table, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string name = line.substr(line.find_first_not_of(' '), colon - line.find_first_not_of(' '));
    std::istringstream fields(line.substr(colon + 1));
    std::uint64_t value = 0;
    for (int i = 0; i < 12; i++) fields >> value;
    for (const auto& wanted : interfaces) {
      if (wanted == name) {
        sum += value;
        break;
      }
    }
  }
  return sum;
}

// A burst of frames with the structures for sendmmsg. All pointers stay valid for the object's lifetime.
class Burst {
 public:
  Burst(const Options& options, const std::vector<unsigned>& indexes) : options_(options) {
    const std::size_t size = options.shape.size;
    stride_ = (size + 63) / 64 * 64;
    frames_.resize(stride_ * options.burst);
    vectors_.resize(options.burst);
    messages_.resize(options.burst);
    for (const unsigned index : indexes) {
      sockaddr_ll address{};
      address.sll_family = AF_PACKET;
      address.sll_protocol = htons(options.shape.vlan ? options.shape.tpid : ETH_P_IP);
      address.sll_ifindex = static_cast<int>(index);
      address.sll_halen = options.shape.raw ? 0 : 6;
      std::memcpy(address.sll_addr, options.shape.destination.data(), 6);
      addresses_.push_back(address);
    }
    for (std::size_t slot = 0; slot < options.burst; slot++) {
      frames::prepare(&frames_[slot * stride_], options.shape);
      vectors_[slot] = {&frames_[slot * stride_], size};
      messages_[slot].msg_hdr.msg_namelen = sizeof(sockaddr_ll);
      messages_[slot].msg_hdr.msg_iov = &vectors_[slot];
      messages_[slot].msg_hdr.msg_iovlen = 1;
    }
  }

  // Fills the slots with consecutive frames, beginning with frame number `done` of the run.
  void fill(std::uint64_t done, std::size_t length) {
    for (std::size_t slot = 0; slot < length; slot++) {
      const std::size_t which = (done + slot) % addresses_.size();
      messages_[slot].msg_hdr.msg_name = &addresses_[which];
      frames::number(&frames_[slot * stride_], options_.shape, options_.start + done + slot,
                     static_cast<std::uint16_t>(options_.label + which));
    }
  }

  mmsghdr* from(std::size_t slot) { return &messages_[slot]; }

 private:
  const Options& options_;
  std::size_t stride_ = 0;
  std::vector<std::uint8_t> frames_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> messages_;
  std::vector<sockaddr_ll> addresses_;
};

bool isRefusal(int number) { return number == ENOBUFS || number == EAGAIN || number == ENOMEM; }

int runInjector(const Options& options, unsigned index) {
  inject::Injector injector(index, options.shape, options.start, options.label);
  if (options.rate != 0) injector.hold();
  std::uint64_t done = 0;
  const Pacer pacer(options.rate);
  while (done < options.count && injector.failure() == 0) done += injector.run(pacer.due(done, options.count - done));
  frames::report(done, pacer.seconds(), 0, 0);
  if (done == options.count) return 0;
  std::fprintf(stderr, "send: --inject into %s: %s\n", options.interfaces.front().c_str(),
               std::strerror(injector.failure()));
  return 1;
}

bool pinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return true;
  std::fprintf(stderr, "send: --cpu %d: %s\n", cpu, std::strerror(errno));
  return false;
}

// Empty, after a message, if one of the interfaces does not exist.
std::vector<unsigned> indexesOf(const std::vector<std::string>& interfaces) {
  std::vector<unsigned> indexes;
  for (const auto& name : interfaces) {
    const unsigned index = if_nametoindex(name.c_str());
    if (index == 0) {
      std::fprintf(stderr, "send: no interface %s in this network namespace\n", name.c_str());
      return {};
    }
    indexes.push_back(index);
  }
  return indexes;
}

// A packet socket that receives nothing: its protocol is 0. -1, after a message, if there can be none.
int openSocket(bool bypass) {
  const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    std::fprintf(stderr, "send: no packet socket: %s (it needs CAP_NET_RAW)\n", std::strerror(errno));
    return -1;
  }
  const int one = 1;
  if (bypass && setsockopt(socket, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0) {
    std::fprintf(stderr, "send: PACKET_QDISC_BYPASS: %s\n", std::strerror(errno));
    close(socket);
    return -1;
  }
  const int sendBuffer = 8 << 20;
  if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &sendBuffer, sizeof sendBuffer) < 0) {
    setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &sendBuffer, sizeof sendBuffer);  // as much as the system allows
  }
  return socket;
}

struct Progress {
  std::uint64_t done = 0;  // sent, or refused and passed over
  std::uint64_t sent = 0;
  std::uint64_t refused = 0;
  int failure = 0;  // the errno that ended the run; 0: none
};

// Sends `length` frames of the burst, which begins with frame `progress.done` of the run.
void sendBurst(int socket, Burst& burst, std::size_t length, bool keepGoing, Progress& progress) {
  for (std::size_t slot = 0; slot < length;) {
    const int taken = sendmmsg(socket, burst.from(slot), static_cast<unsigned>(length - slot), 0);
    if (taken > 0) {
      slot += static_cast<std::size_t>(taken);
      progress.done += static_cast<std::uint64_t>(taken);
      progress.sent += static_cast<std::uint64_t>(taken);
      continue;
    }
    // sendmmsg reports an error only for its first message; an error later in the burst is reported by the next call,
    // which starts with that message.
    const int number = taken == 0 ? EAGAIN : errno;
    if (number == EINTR) continue;
    if (!isRefusal(number)) {
      progress.failure = number;
      return;
    }
    progress.refused++;
    if (keepGoing) {
      const timespec pause{0, 20'000};
      nanosleep(&pause, nullptr);
    } else {
      slot++;
      progress.done++;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (options.cpu >= 0 && !pinTo(options.cpu)) return 1;
  const std::vector<unsigned> indexes = indexesOf(options.interfaces);
  if (indexes.empty()) return 1;
  if (options.inject) return runInjector(options, indexes.front());
  const int socket = openSocket(options.bypass);
  if (socket < 0) return 1;

  Burst burst(options, indexes);
  const std::uint64_t dropsBefore = transmitDrops(options.interfaces);
  Progress progress;
  const Pacer pacer(options.rate);
  while (progress.done < options.count && progress.failure == 0) {
    const std::uint64_t max = std::min<std::uint64_t>(options.burst, options.count - progress.done);
    const auto length = static_cast<std::size_t>(pacer.due(progress.done, max));
    burst.fill(progress.done, length);
    sendBurst(socket, burst, length, options.keepGoing, progress);
  }
  const double seconds = pacer.seconds();
  const std::uint64_t dropsAfter = transmitDrops(options.interfaces);
  frames::report(progress.sent, seconds, progress.refused, dropsAfter > dropsBefore ? dropsAfter - dropsBefore : 0);
  close(socket);
  if (progress.failure != 0) {
    std::fprintf(stderr, "send: frame %llu to %s: %s\n", static_cast<unsigned long long>(options.start + progress.done),
                 options.interfaces[progress.done % options.interfaces.size()].c_str(),
                 std::strerror(progress.failure));
  }
  return progress.sent == options.count ? 0 : 1;
}
