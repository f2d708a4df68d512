#include "core/send/checksum_offload.h"

#include <netinet/in.h>

#include <algorithm>
#include <optional>

#include "core/util/byte_order.h"

namespace ringtap {

namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kTcpChecksum = 16;
constexpr std::size_t kUdpChecksum = 6;
constexpr std::size_t kTcpHeader = 20;
constexpr std::size_t kUdpHeader = 8;
constexpr std::uint8_t kCongestionWindowReduced = 0x80;

using Bytes = std::span<const std::uint8_t>;

std::uint16_t load16(Bytes bytes, std::size_t at) { return bigEndian16(bytes.data() + at); }

// The position of the transport header, and the inputs of its pseudo-header's sum.
struct Transport {
  std::uint8_t protocol = 0;
  bool ipv6 = false;
  std::size_t network = 0;
  std::size_t at = 0;
  std::size_t length = 0;  // of the segment, by the IP header
  std::uint32_t addressSum = 0;
};

std::uint32_t sumOf(Bytes bytes) {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) sum += load16(bytes, at);
  return sum;
}

std::optional<Transport> ipv4(Bytes frame, std::size_t at) {
  if (frame.size() - at < 20) return std::nullopt;
  const std::size_t header = (frame[at] & 0x0f) * 4u;
  std::size_t total = load16(frame, at + 2);
  if (total == 0) total = frame.size() - at;  // longer than 64 KiB: BIG TCP
  const bool fragment = (load16(frame, at + 6) & 0x3fff) != 0;
  if (header < 20 || total < header || total > frame.size() - at || fragment) return std::nullopt;
  return Transport{frame[at + 9], false, at, at + header, total - header, sumOf(frame.subspan(at + 12, 8))};
}

std::optional<Transport> ipv6(Bytes frame, std::size_t at) {
  constexpr std::size_t kHeader = 40;
  if (frame.size() - at < kHeader) return std::nullopt;
  std::size_t payload = load16(frame, at + 4);
  if (payload == 0) payload = frame.size() - at - kHeader;
  if (payload > frame.size() - at - kHeader) return std::nullopt;
  Transport found{frame[at + 6], true, at, at + kHeader, payload, sumOf(frame.subspan(at + 8, 32))};
  // Extension headers with a length field. The fragment header is not included: the checksum covers more than a
  // fragment has.
  while (found.protocol == IPPROTO_HOPOPTS || found.protocol == IPPROTO_ROUTING || found.protocol == IPPROTO_DSTOPTS) {
    if (found.length < 8) return std::nullopt;
    const std::size_t length = (frame[found.at + 1] + 1u) * 8;
    if (found.length < length) return std::nullopt;
    found.protocol = frame[found.at];
    found.at += length;
    found.length -= length;
  }
  return found;
}

std::optional<Transport> transportOf(const CapturedFrame& frame) {
  const Bytes bytes = frame.bytes;
  std::size_t at = 0;
  if (frame.ethernet) {
    if (bytes.size() < kEthernetHeader) return std::nullopt;
    at = kEthernetAddresses;
    std::uint16_t type = load16(bytes, at);
    for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); ++tags) {
      at += 4;
      if (bytes.size() < at + 2) return std::nullopt;
      type = load16(bytes, at);
    }
    at += 2;
    if (type == 0x0800) return ipv4(bytes, at);
    if (type == 0x86dd) return ipv6(bytes, at);
    return std::nullopt;
  }
  if (bytes.empty()) return std::nullopt;
  if (bytes[0] >> 4 == 4) return ipv4(bytes, 0);
  if (bytes[0] >> 4 == 6) return ipv6(bytes, 0);
  return std::nullopt;
}

std::uint16_t pseudoHeaderSum(const Transport& transport) {
  std::uint64_t sum =
      std::uint64_t{transport.addressSum} + transport.protocol + (transport.length & 0xffff) + (transport.length >> 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

}  // namespace

ChecksumPlan planChecksum(const CapturedFrame& frame) {
  ChecksumPlan plan;
  const ChecksumPlan unknown{frame.pending ? ChecksumState::Unfinishable : ChecksumState::Complete, {}};
  const auto transport = transportOf(frame);
  if (!transport) return unknown;
  const bool tcp = transport->protocol == IPPROTO_TCP;
  const bool udp = transport->protocol == IPPROTO_UDP;
  if (!tcp && !udp) return unknown;
  if (transport->length < (tcp ? kTcpHeader : kUdpHeader)) return unknown;
  const std::size_t field = tcp ? kTcpChecksum : kUdpChecksum;
  if (load16(frame.bytes, transport->at + field) != pseudoHeaderSum(*transport)) return unknown;

  VirtioNetHeader& header = plan.header;
  plan.state = ChecksumState::Offloaded;
  header.flags = VirtioNetHeader::kNeedsChecksum;
  header.checksumStart = static_cast<std::uint16_t>(transport->at + frame.tagBytes);
  header.checksumOffset = static_cast<std::uint16_t>(field);
  if (!tcp || frame.bytes.size() - transport->network <= frame.mtu) return plan;
  const std::size_t tcpHeader = (frame.bytes[transport->at + 12] >> 4) * 4u;
  const std::size_t headers = transport->at - transport->network + tcpHeader;
  if (tcpHeader < kTcpHeader || tcpHeader > transport->length || headers >= frame.mtu) return plan;
  header.segmentation = transport->ipv6 ? VirtioNetHeader::kTcp6 : VirtioNetHeader::kTcp4;
  if ((frame.bytes[transport->at + 13] & kCongestionWindowReduced) != 0) header.segmentation |= VirtioNetHeader::kEcn;
  header.segmentSize = static_cast<std::uint16_t>(std::min<std::size_t>(frame.mtu - headers, UINT16_MAX));
  header.headerLength = static_cast<std::uint16_t>(transport->at + tcpHeader + frame.tagBytes);
  return plan;
}

}  // namespace ringtap
