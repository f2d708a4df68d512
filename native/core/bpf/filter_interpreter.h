// Runs classic BPF on a packet in memory, as the kernel would (net/core/filter.c). Pure: no state, no system call.
#pragma once

#include <cstdint>
#include <span>

#include "core/bpf/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

// What the kernel knows of a packet besides its bytes (the SKF_AD_ loads, linux/filter.h). Numbers in host order.
struct PacketMetadata {
  std::uint8_t packetType = 0;  // PACKET_HOST, PACKET_OUTGOING, …
  bool vlanPresent = false;     // a tag was taken out of the packet: vlanTci and vlanTpid hold it
  std::uint16_t vlanTci = 0;
  std::uint16_t vlanTpid = 0;
  std::uint16_t protocol = 0;      // EtherType
  std::uint16_t hardwareType = 1;  // ARPHRD_*
  std::uint32_t interfaceIndex = 0;
  std::uint32_t rxHash = 0;
  std::uint32_t networkOffset = 14;  // where the network header starts (SKF_NET_OFF)
};

// What must hold before runFilter: 1 to kMaxFilterInstructions instructions, each known and with operands in range,
// jumps forward and inside the program, a return at the end. As bpf_check_classic in the kernel, but without its proof
// that every M[] is stored before it is read, and refusing the ancillary loads whose answer only the kernel has
// (netlink attributes, mark, queue, CPU, payload offset, random). Errors have Code::Option.
Result<> validateFilter(std::span<const FilterInstruction> program);

// How many bytes of the packet the program keeps; 0: none, not matched. `program` has passed validateFilter: then no
// packet and no metadata make this read out of bounds or not return. A load beyond `bytes` and a division by zero end
// the program with 0; A, X and M[] start as 0. `originalLength` is the length on the wire (`len` in an expression).
[[nodiscard]] std::uint32_t runFilter(std::span<const FilterInstruction> program, std::span<const std::uint8_t> bytes,
                                      std::uint32_t originalLength, const PacketMetadata& metadata = {});

}  // namespace ringtap
