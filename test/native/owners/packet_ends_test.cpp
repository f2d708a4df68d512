// The ends of packets: of every link type, behind every header, cut off anywhere.
#include "core/owners/packet_ends.h"

#include <arpa/inet.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/util/link_type.h"
#include "support/check.h"
#include "support/choices.h"
#include "support/headers.h"

using namespace ringtap;
using Bytes = std::vector<std::uint8_t>;

namespace {

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

constexpr std::uint16_t kCooked = 113, kCooked2 = 276;

const Bytes kMacs(12, 2);
// From port 40000 to 443, and what follows the ports.
const Bytes kTcp = Bytes{0x9c, 0x40, 0x01, 0xbb} + Bytes(16, 9);
const Bytes kPorts = {0x9c, 0x40, 0x01, 0xbb};

Bytes ip4(std::uint8_t protocol, const Bytes& content, std::uint16_t fragment = 0, const Bytes& options = {}) {
  const auto length = static_cast<std::uint16_t>(20 + options.size() + content.size());
  Bytes header{static_cast<std::uint8_t>(0x45 + options.size() / 4),
               0,
               static_cast<std::uint8_t>(length >> 8),
               static_cast<std::uint8_t>(length),
               0,
               1,
               static_cast<std::uint8_t>(fragment >> 8),
               static_cast<std::uint8_t>(fragment),
               64,
               protocol,
               0,
               0,
               10,
               0,
               0,
               1,
               192,
               0,
               2,
               9};
  return header + options + content;
}

Bytes ip6(std::uint8_t next, const Bytes& content) {
  Bytes header{0x60, 0, 0, 0, 0, static_cast<std::uint8_t>(content.size()), next, 64};
  Bytes source(16, 0), destination(16, 0);
  source[0] = destination[0] = 0xfd;
  source[15] = 1;
  destination[15] = 2;
  return header + source + destination + content;
}

SocketEnds ends(int family, std::uint8_t protocol) {
  const auto address = [&](const char* text) {
    std::uint8_t bytes[16];
    CHECK(inet_pton(family, text, bytes) == 1);
    return ownerAddress(family, bytes);
  };
  const bool four = family == AF_INET;
  return {protocol, 40000, 443, address(four ? "10.0.0.1" : "fd00::1"), address(four ? "192.0.2.9" : "fd00::2")};
}

// Reads a copy of exactly this size, so that AddressSanitizer detects an access past the end.
std::optional<SocketEnds> read(std::uint16_t linkType, const Bytes& packet, std::size_t length) {
  const std::unique_ptr<std::uint8_t[]> copy(new std::uint8_t[length]);
  if (length > 0) std::memcpy(copy.get(), packet.data(), length);
  return packetEnds(linkType, {copy.get(), length});
}

// The ends are the expected ones from the length on that shows the ports, and none before.
void checkCut(std::uint16_t linkType, const Bytes& packet, std::size_t shown, const SocketEnds& expected) {
  for (std::size_t length = 0; length <= packet.size(); ++length) {
    const auto found = read(linkType, packet, length);
    CHECK(found.has_value() == (length >= shown));
    if (found) CHECK(*found == expected);
  }
}

}  // namespace

TEST(link_headers) {
  const Bytes packet = ip4(IPPROTO_TCP, kTcp);
  const SocketEnds expected = ends(AF_INET, IPPROTO_TCP);
  checkCut(kLinkTypeEthernet, kMacs + Bytes{8, 0} + packet, 14 + 24, expected);
  checkCut(kLinkTypeEthernet, kMacs + Bytes{0x81, 0, 0, 5, 8, 0} + packet, 18 + 24, expected);
  checkCut(kLinkTypeEthernet, kMacs + Bytes{0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0} + packet, 22 + 24, expected);
  checkCut(kLinkTypeRaw, packet, 24, expected);
  checkCut(228, packet, 24, expected);
  checkCut(kCooked, Bytes(14, 0) + Bytes{8, 0} + packet, 16 + 24, expected);
  checkCut(kCooked2, Bytes{8, 0} + Bytes(18, 0) + packet, 20 + 24, expected);
  const Bytes six = ip6(IPPROTO_UDP, kTcp);
  const SocketEnds expected6 = ends(AF_INET6, IPPROTO_UDP);
  checkCut(kLinkTypeEthernet, kMacs + Bytes{0x86, 0xdd} + six, 14 + 44, expected6);
  checkCut(kLinkTypeRaw, six, 44, expected6);
  checkCut(229, six, 44, expected6);
  // Of another kind than the link type says, or of one without IP.
  CHECK(!packetEnds(228, six) && !packetEnds(229, packet) && !packetEnds(kLinkTypeWireless, packet));
  CHECK(!packetEnds(kLinkTypeEthernet, kMacs + Bytes{8, 6} + packet));
}

TEST(ip_headers) {
  const SocketEnds expected = ends(AF_INET, IPPROTO_TCP);
  checkCut(kLinkTypeRaw, ip4(IPPROTO_TCP, kTcp, 0x4000, Bytes(40, 1)), 64, expected);
  checkCut(kLinkTypeRaw, ip4(IPPROTO_TCP, kTcp, 0x2000), 24, expected);  // the first fragment
  const auto none = [](const Bytes& packet) { return !packetEnds(kLinkTypeRaw, packet); };
  CHECK(none(ip4(IPPROTO_TCP, kTcp, 1)));
  CHECK(none(ip4(IPPROTO_TCP, kTcp, 0x2001)));
  CHECK(none(ip4(IPPROTO_ICMP, kTcp)));
  Bytes shortHeader = ip4(IPPROTO_TCP, kTcp);
  shortHeader[0] = 0x44;
  CHECK(none(shortHeader));
  // What follows the end of the IP packet is padding.
  CHECK(none(ip4(IPPROTO_TCP, Bytes{1, 2}) + Bytes(20, 0)));
  Bytes unknown = ip4(IPPROTO_TCP, kTcp);
  unknown[2] = unknown[3] = 0;  // a super-frame of more than 64 KiB
  CHECK(packetEnds(kLinkTypeRaw, unknown) == expected);
}

TEST(extension_headers) {
  const SocketEnds expected = ends(AF_INET6, IPPROTO_TCP);
  const auto extension = [](std::uint8_t next, std::uint8_t size, std::size_t bytes) {
    return Bytes{next, size} + Bytes(bytes - 2, 0);
  };
  for (const std::uint8_t kind : {0, 43, 60, 135, 139, 140}) {
    checkCut(kLinkTypeRaw, ip6(kind, extension(IPPROTO_TCP, 1, 16) + kTcp), 40 + 16 + 4, expected);
  }
  checkCut(kLinkTypeRaw, ip6(51, extension(IPPROTO_TCP, 4, 24) + kTcp), 40 + 24 + 4, expected);
  checkCut(kLinkTypeRaw, ip6(0, extension(60, 0, 8) + extension(44, 0, 8) + extension(IPPROTO_TCP, 0, 8) + kTcp),
           40 + 24 + 4, expected);
  const Bytes first{IPPROTO_TCP, 0, 0, 1, 0, 0, 0, 9}, later{IPPROTO_TCP, 0, 0, 9, 0, 0, 0, 9};
  checkCut(kLinkTypeRaw, ip6(44, first + kTcp), 40 + 8 + 4, expected);
  CHECK(!packetEnds(kLinkTypeRaw, ip6(44, later + kTcp)));
  CHECK(!packetEnds(kLinkTypeRaw, ip6(59, kTcp)));
  CHECK(!packetEnds(kLinkTypeRaw, ip6(0, extension(IPPROTO_TCP, 255, 8) + kTcp)));
}

TEST(the_other_direction) {
  const SocketEnds there = ends(AF_INET, IPPROTO_TCP);
  const SocketEnds back = reversed(there);
  CHECK(back.localPort == 443 && back.remotePort == 40000 && back.local == there.remote && back.remote == there.local);
  CHECK(back.protocol == IPPROTO_TCP && reversed(back) == there);
}

// Beside another implementation, which filters of flows are tested against.
TEST(random_packets) {
  support::Choices choices(7);
  support::HeaderChoices made(choices);
  std::size_t found = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint16_t linkType = choices.oneIn(2) ? kLinkTypeEthernet : kLinkTypeRaw;
    const Bytes packet = made.packet(linkType);
    const auto got = read(linkType, packet, packet.size());
    if (!got) continue;
    ++found;
    bool six = false;
    const auto at = support::networkOf(linkType, packet, six);
    CHECK(at.has_value());
    if (!at) continue;
    const support::IpHeaders headers = support::ipHeaders(packet, *at, six, false);
    if (headers.contradiction) continue;  // more headers than that one reads
    CHECK(!headers.fragment && headers.protocol == got->protocol);
    CHECK(support::numberAt(packet, headers.behind, 2) == got->localPort);
    CHECK(support::numberAt(packet, headers.behind + 2, 2) == got->remotePort);
    const std::size_t source = *at + (six ? 8 : 12);
    CHECK(got->local == ownerAddress(six ? AF_INET6 : AF_INET, packet.data() + source));
    CHECK(got->remote == ownerAddress(six ? AF_INET6 : AF_INET, packet.data() + source + (six ? 16 : 4)));
  }
  CHECK(found > 10'000);
}

TEST(random_bytes) {
  support::Choices choices(8);
  for (int i = 0; i < 200'000; ++i) {
    Bytes packet = choices.bytes(choices.below(120));
    constexpr std::uint16_t kinds[] = {kLinkTypeEthernet, kLinkTypeRaw, kCooked, kCooked2, 228, 229};
    if (packet.size() > 20) packet[choices.oneIn(2) ? 0 : 14] = choices.oneIn(2) ? 0x45 : 0x60;
    (void)read(kinds[choices.below(6)], packet, packet.size());
  }
  CHECK(true);
}
