// Finishes captured packets that the capturing kernel had not finished: a checksum that was left to the device, and a
// TCP super-frame that was not segmented yet. The sending kernel does both, as requested by a virtio_net_hdr in front
// of the frame (PACKET_VNET_HDR), in software if the device cannot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ringtap {

// Bytes of the addresses of an Ethernet header, before a VLAN tag or the type.
inline constexpr std::size_t kEthernetAddresses = 12;

// struct virtio_net_hdr. linux/virtio_net.h does not compile as C++: one of its fields is called `class`.
struct VirtioNetHeader {
  static constexpr std::uint8_t kNeedsChecksum = 1;
  static constexpr std::uint8_t kTcp4 = 1;
  static constexpr std::uint8_t kTcp6 = 4;
  static constexpr std::uint8_t kEcn = 0x80;

  std::uint8_t flags;
  std::uint8_t segmentation;     // kTcp4, kTcp6, with kEcn; 0: none
  std::uint16_t headerLength;    // of all headers, if there is segmentation
  std::uint16_t segmentSize;     // bytes after the headers, per segment
  std::uint16_t checksumStart;   // offset of the first byte that the checksum covers
  std::uint16_t checksumOffset;  // offset of the checksum field from checksumStart
};
static_assert(sizeof(VirtioNetHeader) == 10);

enum class ChecksumState {
  Complete,     // nothing to do, or no protocol that is supported here
  Offloaded,    // `header` has the request to the kernel
  Unfinishable  // the packet was marked as unfinished, and cannot be finished here
};

struct ChecksumPlan {
  ChecksumState state = ChecksumState::Complete;
  VirtioNetHeader header{};
};

struct CapturedFrame {
  std::span<const std::uint8_t> bytes;  // without the VLAN tag
  bool ethernet = true;                 // false: raw IP
  std::size_t tagBytes = 0;             // that are inserted after the addresses
  bool pending = false;                 // marked as unfinished (TP_STATUS_CSUMNOTREADY)
  std::uint32_t mtu = 1500;             // of the outgoing device
};

// A TCP or UDP checksum is unfinished if it is the sum of the pseudo-header alone, which is what the kernel leaves to a
// device and what files contain, without any mark. If a complete checksum has this value by chance, finishing it gives
// the same value again.
[[nodiscard]] ChecksumPlan planChecksum(const CapturedFrame& frame);

}  // namespace ringtap
