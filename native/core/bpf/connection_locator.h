// Finds the connection that a packet belongs to. The code is classic BPF, so that all filter modes find the same one:
// the classic program contains it, the eBPF program its translation, and user space interprets it.
//
// A packet of TCP or UDP has a connection if its header has the ports: directly behind the header of IPv4 with its
// options, or of IPv6, or behind the fragment header of IPv6, if it is the first fragment. Later fragments have no
// ports, and thus no connection; neither have packets with other extension headers of IPv6, and those inside tunnels.
// Up to two VLAN tags are skipped (address_locator.h).
#pragma once

#include <cstdint>
#include <vector>

#include "core/bpf/cbpf_writer.h"
#include "core/filter/filter_instruction.h"

namespace ringtap {

// Where the key of the connection (connection_set.h) is in M[], and the offset of the transport header.
inline constexpr std::uint32_t kConnectionMemory = 4;
inline constexpr std::uint32_t kTransportMemory = 1;
// The offset of the network header, if there is a connection or the packet is a later fragment.
inline constexpr std::uint32_t kNetworkMemory = 3;

// What a locator returns: the key is of IPv4 or IPv6, or the packet has no connection.
inline constexpr std::uint32_t kConnection4 = 1;
inline constexpr std::uint32_t kConnection6 = 2;
inline constexpr std::uint32_t kNoConnection = 4;
// It has none because it is a later fragment, of IPv4 or IPv6.
inline constexpr std::uint32_t kLaterFragment4 = 8;
inline constexpr std::uint32_t kLaterFragment6 = 16;
// Or 0: the packet was cut at the snapshot length before the bytes that decide. Does not occur in the kernel.

struct ConnectionLocator {
  std::uint16_t linkType;
  FilterProgram program;  // passes validateFilter; uses M[0] to M[13]
};

// One for each link type that has a locator of addresses (address_locator.h).
[[nodiscard]] const std::vector<ConnectionLocator>& connectionLocators();
// Null for an unsupported link type: its packets have no connection.
[[nodiscard]] const ConnectionLocator* connectionLocatorFor(std::uint16_t linkType);

// Appends to a classic program what determines the connection. A: the result of the locator of addresses. Execution
// continues at one of the labels, with the key in M[]. Overwrites X and M[1] to M[13].
struct ConnectionLabels {
  CbpfWriter::Label found4, found6, none;
  CbpfWriter::Label later4, later6;  // later fragments
};
void appendConnectionKey(CbpfWriter& out, const ConnectionLabels& labels);

}  // namespace ringtap
