// Reads frames from standard input and sends them out of one interface through an AF_PACKET socket. Each frame is
// preceded by eight bytes, little endian: its length (32 bits), its EtherType (16 bits), and 16 unused bits.
//
// Prints what `send` prints. Exit code: 0 all sent, 1 not all sent, 2 wrong command line.

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "tools/arguments.h"
#include "tools/frame.h"
#include "tools/pacer.h"

namespace {

constexpr const char* usage = "usage: replay INTERFACE FRAMES-A-SECOND (0: as fast as it goes) < FRAMES\n";

struct Frame {
  std::size_t at;
  std::uint32_t length;
  std::uint16_t type;
};

std::vector<std::uint8_t> readAll() {
  std::vector<std::uint8_t> all;
  std::uint8_t part[65536];
  for (std::size_t got; (got = std::fread(part, 1, sizeof part, stdin)) > 0;) all.insert(all.end(), part, part + got);
  return all;
}

// Returns false if the input ends within a frame.
bool split(const std::vector<std::uint8_t>& input, std::vector<Frame>& frames) {
  std::size_t at = 0;
  while (input.size() - at >= 8) {
    Frame frame{at + 8, 0, 0};
    std::memcpy(&frame.length, &input[at], 4);
    std::memcpy(&frame.type, &input[at + 4], 2);
    if (frame.length > input.size() - frame.at) return false;
    frames.push_back(frame);
    at = frame.at + frame.length;
  }
  return at == input.size();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) arguments::wrong("an interface and a rate are wanted", usage);
  const std::uint64_t rate = arguments::wholeNumber("the rate", argv[2], 1'000'000'000, usage);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(if_nametoindex(argv[1]));
  if (to.sll_ifindex == 0) {
    std::fprintf(stderr, "replay: no interface %s in this network namespace\n", argv[1]);
    return 1;
  }
  const std::vector<std::uint8_t> input = readAll();
  std::vector<Frame> frames;
  if (!split(input, frames)) {
    std::fprintf(stderr, "replay: the input ends within a frame\n");
    return 1;
  }
  // Protocol 0: this socket receives nothing.
  const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    std::fprintf(stderr, "replay: no packet socket: %s (it needs CAP_NET_RAW)\n", std::strerror(errno));
    return 1;
  }
  std::uint64_t done = 0, refused = 0;
  const Pacer pacer(rate);
  while (done < frames.size()) {
    const std::uint64_t until = done + pacer.due(done, frames.size() - done < 64 ? frames.size() - done : 64);
    while (done < until) {
      const Frame& frame = frames[done];
      to.sll_protocol = htons(frame.type);
      const auto* address = reinterpret_cast<const sockaddr*>(&to);
      if (sendto(socket, &input[frame.at], frame.length, 0, address, sizeof to) >= 0) {
        done++;
      } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
        refused++;
        const timespec pause{0, 20'000};
        nanosleep(&pause, nullptr);
      } else if (errno != EINTR) {
        std::fprintf(stderr, "replay: frame %llu: %s\n", static_cast<unsigned long long>(done), std::strerror(errno));
        frames::report(done, pacer.seconds(), refused, 0);
        return 1;
      }
    }
  }
  frames::report(done, pacer.seconds(), refused, 0);
  close(socket);
  return 0;
}
