// Runs classic BPF on a packet in memory, as the kernel would (net/core/filter.c). Pure: no state, no system call.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/filter/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

// A packet's metadata in the kernel, besides its bytes (the SKF_AD_ loads, linux/filter.h). Numbers in host order.
struct PacketMetadata {
  std::uint8_t packetType = 0;  // PACKET_HOST, PACKET_OUTGOING, …
  bool vlanPresent = false;     // a tag was removed from the packet: vlanTci and vlanTpid hold it
  std::uint16_t vlanTci = 0;
  std::uint16_t vlanTpid = 0;
  std::uint16_t protocol = 0;      // EtherType
  std::uint16_t hardwareType = 1;  // ARPHRD_*
  std::uint32_t interfaceIndex = 0;
  std::uint32_t rxHash = 0;
  std::uint32_t networkOffset = 14;  // of the network header (SKF_NET_OFF)
};

// Checks the preconditions of runFilter: 1 to kMaxFilterInstructions instructions, each known and with operands in
// range, jumps forward and within the program, a return at the end. As bpf_check_classic in the kernel, except that it
// does not check that every M[] is stored before it is read, and that it refuses the ancillary loads whose value only
// the kernel has (netlink attributes, mark, queue, CPU, payload offset, random). Errors have Code::Option.
Result<> validateFilter(std::span<const FilterInstruction> program);

// Returns how many bytes of the packet the program keeps; 0: no match. `program` must have passed validateFilter; then,
// for any packet and metadata, this reads within bounds and returns. A load beyond `bytes` or a division by zero ends
// the program with 0; A, X and M[] start as 0. `originalLength` is the length on the wire (`len` in an expression).
// `undecided`: what a load beyond `bytes`, but within `originalLength`, ends the program with instead: the packet was
// cut, and what the program would say of all of it cannot be known.
[[nodiscard]] std::uint32_t runFilter(std::span<const FilterInstruction> program, std::span<const std::uint8_t> bytes,
                                      std::uint32_t originalLength, const PacketMetadata& metadata = {},
                                      std::uint32_t undecided = 0);

// The words of M[].
using FilterMemory = std::array<std::uint32_t, 16>;
// The same, and returns M[] as the program leaves it.
[[nodiscard]] std::uint32_t runFilter(std::span<const FilterInstruction> program, std::span<const std::uint8_t> bytes,
                                      std::uint32_t originalLength, const PacketMetadata& metadata,
                                      FilterMemory& memory, std::uint32_t undecided = 0);

}  // namespace ringtap
