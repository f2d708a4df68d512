// Sends numbered frames (frame.h) through a packet socket and counts those that a capture delivers.
#pragma once

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/util/unique_fd.h"
#include "support/check.h"
#include "support/namespace.h"
#include "tools/frame.h"

namespace support {

// A new veth drops frames sent on it until the kernel's link watch has activated its queueing discipline
// (linkwatch_do_dev(), net/core/link_watch.c: it first sets the operational state, then activates the device, under the
// RTNL lock, which SIOCSIFFLAGS takes too). IFF_RUNNING is no indication: it is set before the link watch has processed
// the device.
inline void waitUntilItSends(const std::string& name) {
  while (!shell("ip link show dev " + name + " | grep -q 'state UP'")) {
    if (::if_nametoindex(name.c_str()) == 0) return;
  }
  const ringtap::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0) (void)::ioctl(socket.get(), SIOCSIFFLAGS, &request);
}

inline std::uint32_t indexOf(const std::string& name) { return ::if_nametoindex(name.c_str()); }

// Adds a veth pair, `near` and `far`, up and ready on return: near receives what far sends.
inline void addPair(const std::string& near, const std::string& far) {
  ip("link add dev " + near + " up type veth peer name " + far);
  ip("link set dev " + far + " up");
  waitUntilItSends(near);
  waitUntilItSends(far);
}

class Sender {
 public:
  Sender() : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) { CHECK(socket_); }

  // Sends frames `first` to first + count - 1, with a label that identifies the interface.
  void send(const std::string& name, std::uint64_t first, std::uint64_t count, std::uint16_t label = 0,
            const frames::Shape& shape = {}) {
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(indexOf(name));
    CHECK(to.sll_ifindex != 0);
    std::vector<std::uint8_t> frame(shape.size);
    frames::prepare(frame.data(), shape);
    for (std::uint64_t number = first; number < first + count; ++number) {
      frames::number(frame.data(), shape, number, label);
      const auto* address = reinterpret_cast<const sockaddr*>(&to);
      while (::sendto(socket_.get(), frame.data(), frame.size(), 0, address, sizeof to) < 0) {
        if (errno == ENOBUFS || errno == EINTR) continue;
        CHECK(errno == 0);
        return;
      }
    }
  }

 private:
  ringtap::UniqueFd socket_;
};

struct Stamp {
  std::uint64_t number;
  std::uint16_t label;
};

// Returns the number and label of a numbered frame; nothing for any other packet.
inline std::optional<Stamp> stampOf(const std::uint8_t* bytes, std::size_t length) {
  constexpr std::size_t payload = 42;
  if (length < payload + frames::payloadFixed) return std::nullopt;
  if (std::memcmp(bytes + payload, frames::magic, sizeof frames::magic) != 0) return std::nullopt;
  Stamp stamp{};
  for (std::size_t i = 0; i < 8; ++i) stamp.number = stamp.number << 8 | bytes[payload + 8 + i];
  stamp.label = static_cast<std::uint16_t>(bytes[payload + 16] << 8 | bytes[payload + 17]);
  return stamp;
}

// How often each number was seen, by (interface, outgoing, label).
class Tally {
 public:
  using Key = std::pair<std::pair<std::uint32_t, bool>, std::uint16_t>;

  void add(std::uint32_t index, bool leaving, const Stamp& stamp) {
    ++seen_[{{index, leaving}, stamp.label}][stamp.number];
    ++total_;
  }
  // Whether every number from 0 to count - 1 was seen exactly once, and no other.
  [[nodiscard]] bool exactly(std::uint32_t index, bool leaving, std::uint16_t label, std::uint64_t count) const {
    const auto at = seen_.find({{index, leaving}, label});
    if (at == seen_.end()) return count == 0;
    std::uint64_t next = 0;
    for (const auto& [number, times] : at->second) {
      if (number != next++ || times != 1) return false;
    }
    return next == count;
  }
  [[nodiscard]] bool anyTwice() const {
    for (const auto& [key, numbers] : seen_) {
      for (const auto& [number, times] : numbers) {
        if (times > 1) return true;
      }
    }
    return false;
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  bool operator==(const Tally& other) const { return seen_ == other.seen_; }

 private:
  std::map<Key, std::map<std::uint64_t, std::uint32_t>> seen_;
  std::uint64_t total_ = 0;
};

}  // namespace support
