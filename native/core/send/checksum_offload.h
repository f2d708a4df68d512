// What a sender owes a captured packet that its kernel had not finished: the checksum, which is left to the device, and
// the division of a TCP super-frame into segments. Both are asked of the kernel, by a virtio_net_hdr in front of the
// frame (PACKET_VNET_HDR); it does in software what the device does not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ringtap {

// struct virtio_net_hdr of linux/virtio_net.h, which no C++ compiler takes: a field there is called `class`.
struct VirtioNetHeader {
  static constexpr std::uint8_t kNeedsChecksum = 1;
  static constexpr std::uint8_t kTcp4 = 1;
  static constexpr std::uint8_t kTcp6 = 4;
  static constexpr std::uint8_t kEcn = 0x80;

  std::uint8_t flags;
  std::uint8_t segmentation;     // kTcp4, kTcp6, with kEcn; 0: none
  std::uint16_t headerLength;    // of all headers, where there is segmentation
  std::uint16_t segmentSize;     // bytes behind the headers
  std::uint16_t checksumStart;   // from here on the checksum is,
  std::uint16_t checksumOffset;  // and so far behind that it stands
};
static_assert(sizeof(VirtioNetHeader) == 10);

enum class ChecksumState {
  Complete,     // nothing to do, or nothing that is known here
  Offloaded,    // `header` says what the kernel has to do
  Unfinishable  // the packet was marked as unfinished, and how to finish it is not known
};

struct ChecksumPlan {
  ChecksumState state = ChecksumState::Complete;
  VirtioNetHeader header{};
};

struct CapturedFrame {
  std::span<const std::uint8_t> bytes;  // without the tag
  bool ethernet = true;                 // false: raw IP
  std::size_t tagBytes = 0;             // that are put in behind the addresses
  bool pending = false;                 // marked as unfinished (TP_STATUS_CSUMNOTREADY)
  std::uint32_t mtu = 1500;             // of the device it goes out of
};

// A TCP or UDP checksum is unfinished if it is the sum of the pseudo-header alone: that is what the kernel leaves to a
// device, and how files have it, which say nothing of it. For a complete checksum that has the same value by chance,
// finishing it gives that value again.
[[nodiscard]] ChecksumPlan planChecksum(const CapturedFrame& frame);

}  // namespace ringtap
