// The classic BPF that measures the headers of a packet (core/bpf/slice.h). All filter modes run the same code: the
// classic program contains it, the eBPF program its translation, and user space interprets it.
//
// The headers are those in front of IP (address_locator.h), the header of IP with its options or extension headers
// (ip_walk.h), and behind it that of
//
//   TCP      with its options
//   UDP, UDP-Lite, ICMP, ICMPv6, IGMP, ESP: 8 bytes
//   SCTP     12 bytes
//   GRE      4 bytes, and 4 more for each of checksum, key, sequence number, and PPTP's acknowledgement
//   AH       with its content, in IPv4
//
// Nothing else is a header: other protocols, and fragments but the first, are cut behind the header of IP. Packets that
// are not IP stay whole, and so do those that end within a header or contradict themselves in one.
//
// With Slice::Headers the walk goes on inside IP in IP, GRE (of IP or Ethernet), VXLAN (UDP port 4789 or 8472), GENEVE
// (6081) and GTP-U (2152), their headers included, up to kMaxTunnels of them in each other. Where the content of a
// tunnel is no IP packet, and no Ethernet frame, the packet is cut behind the tunnel's header; a frame inside that has
// no IP leaves the packet whole.
#pragma once

#include <cstdint>

#include "core/bpf/cbpf_writer.h"
#include "core/bpf/slice.h"
#include "core/filter/filter_instruction.h"

namespace ringtap {

inline constexpr int kMaxTunnels = 2;

// Returns a program that ends with the number of bytes to keep, at most `limit`; for a whole packet `limit`. It expects
// the result of the locator of addresses in A, and uses M[2] to M[7]. Not for Slice::None.
[[nodiscard]] FilterProgram sliceProgram(Slice slice, std::uint32_t limit);

}  // namespace ringtap
