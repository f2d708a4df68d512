// A libpcap handle on an interface that is removed, or goes down, just when the handle is being set up.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "core/capture/pcap/pcap_source.h"
#include "support/check.h"
#include "support/namespace.h"
#include "support/traffic.h"

using namespace ringtap;
using namespace support;

namespace {

constexpr std::size_t kBufferSize = std::size_t{1} << 20;
// Takes so long to allocate that an interface can go down and disappear meanwhile.
constexpr std::size_t kLargeBufferSize = std::size_t{64} << 20;

// A tun device that claims to be a PPP one: libpcap opens it in cooked mode and filters it on its own.
class PppDevice {
 public:
  explicit PppDevice(const char* name) : device_(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)) {
    CHECK(device_);
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    CHECK(::ioctl(device_.get(), TUNSETIFF, &request) == 0);
    CHECK(::ioctl(device_.get(), TUNSETLINK, static_cast<unsigned long>(ARPHRD_PPP)) == 0);
    ip(std::string("link set dev ") + name + " up");
  }

  // The kernel counts the packet as received on the device.
  void receive() {
    std::array<std::uint8_t, 28> packet{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17};
    CHECK(::write(device_.get(), packet.data(), packet.size()) == static_cast<ssize_t>(packet.size()));
  }

 private:
  UniqueFd device_;
};

class Counter : public PacketSink {
 public:
  bool put(const RecordHead& /*head*/, const FilledPacket& /*packet*/,
           std::span<const std::uint8_t> /*tail*/) override {
    ++count;
    return true;
  }
  int count = 0;
};

}  // namespace

TEST(anInterfaceThatIsRemovedWhileItIsOpenedIsAbsent) {
  std::atomic<bool> done{false};
  std::thread changing([&] {
    for (int round = 0; round < 100; ++round) {
      ip("link add dev near0 up type veth peer name far0");
      ip("link del near0");
    }
    done = true;
  });
  while (!done) {
    auto source = PcapSource::open("near0", 1, {}, kLargeBufferSize);
    CHECK(source || isAbsent(source.error()));
    if (!source) continue;
    CHECK((*source)->linkType() == kLinkTypeEthernet);
    const auto filtered = (*source)->filter({});
    CHECK(filtered || isAbsent(filtered.error()));
  }
  changing.join();
}

TEST(aFilterIsSetThoughTheInterfaceHasGoneDown) {
  PppDevice device("ppp0");
  auto source = PcapSource::open("ppp0", 1, {}, kBufferSize);
  CHECK(source);
  CHECK((*source)->filter({}));
  CHECK((*source)->receive());
  ip("link set dev ppp0 down");
  const auto filtered = (*source)->filter({});
  CHECK(filtered);
  ip("link set dev ppp0 up");
  device.receive();
  Counter counter;
  for (int attempt = 0; counter.count == 0 && attempt < 1000; ++attempt) {
    CHECK((*source)->read(counter, 1));
    ::usleep(1000);
  }
  CHECK(counter.count == 1);
}
