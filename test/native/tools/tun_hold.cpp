// Holds a tun device open, so that it has a carrier, and writes numbered IP packets (frame.h) to it, which the kernel
// counts as received on that device. Packets that the kernel sends out of the device are read and discarded. TYPE is
// the type that the device claims to be of, an ARPHRD_ number; the default is ARPHRD_NONE.
//
// Prints {"ready":true,"interface":NAME,"sent":0}; then reads one command a line from standard input until its end:
//   write START COUNT SIZE RATE LABEL PORT FLOWS   answers as `send` does (the device must be up)
// The device is removed when this process ends.

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tools/arguments.h"
#include "tools/frame.h"
#include "tools/pacer.h"

namespace {

constexpr const char* usage = "usage: tun_hold NAME [TYPE]\n";

bool writePackets(int device, std::istringstream& words) {
  std::uint64_t start = 0, count = 0, rate = 0;
  std::uint16_t label = 0;
  frames::Shape shape;
  shape.raw = true;
  if (!(words >> start >> count >> shape.size >> rate >> label >> shape.port >> shape.flows)) {
    std::fprintf(stderr, "tun_hold: write wants START COUNT SIZE RATE LABEL PORT FLOWS\n");
    return false;
  }
  arguments::checkShape(shape, usage);
  std::vector<std::uint8_t> packet(shape.size);
  frames::prepare(packet.data(), shape);
  std::uint64_t done = 0, refused = 0;
  const Pacer pacer(rate);
  while (done < count) {
    const std::uint64_t until = done + pacer.due(done, count - done < 64 ? count - done : 64);
    while (done < until) {
      frames::number(packet.data(), shape, start + done, label);
      if (write(device, packet.data(), packet.size()) == static_cast<ssize_t>(packet.size())) {
        done++;
      } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
        refused++;
        std::this_thread::yield();
      } else if (errno != EINTR) {
        std::fprintf(stderr, "tun_hold: packet %llu: %s\n", static_cast<unsigned long long>(start + done),
                     std::strerror(errno));
        frames::report(done, pacer.seconds(), refused, 0);
        return false;
      }
    }
  }
  frames::report(done, pacer.seconds(), refused, 0);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3 || std::strlen(argv[1]) >= IFNAMSIZ) arguments::wrong("a device name is wanted", usage);
  const int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (device < 0) {
    std::fprintf(stderr, "tun_hold: /dev/net/tun: %s\n", std::strerror(errno));
    return 1;
  }
  ifreq request{};
  std::memcpy(request.ifr_name, argv[1], std::strlen(argv[1]));
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(device, TUNSETIFF, &request) < 0) {
    std::fprintf(stderr, "tun_hold: making %s: %s\n", argv[1], std::strerror(errno));
    return 1;
  }
  if (argc == 3 && ioctl(device, TUNSETLINK, std::strtoul(argv[2], nullptr, 10)) < 0) {
    std::fprintf(stderr, "tun_hold: giving %s the type %s: %s\n", argv[1], argv[2], std::strerror(errno));
    return 1;
  }
  std::printf(R"({"ready":true,"interface":"%s","sent":0})"
              "\n",
              request.ifr_name);
  std::fflush(stdout);

  // Without a reader, the device's queue would fill and the kernel would drop outgoing packets.
  std::thread([device] {
    static char discarded[65536];
    pollfd waiting{device, POLLIN, 0};
    for (;;) {
      poll(&waiting, 1, -1);
      // While the device is down, read returns EIO and poll reports an error: do not spin.
      if (read(device, discarded, sizeof discarded) < 0 && errno != EAGAIN) usleep(10'000);
    }
  }).detach();

  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "write") {
      if (!writePackets(device, words)) return 1;
    } else {
      std::fprintf(stderr, "tun_hold: unknown command %s\n", command.c_str());
      return 1;
    }
  }
  std::fflush(stdout);
  _exit(0);  // the reader thread still runs
}
