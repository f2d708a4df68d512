// Operations on a packet socket (packet(7)), for both a ring's and libpcap's.
#pragma once

#include <cstdint>
#include <span>

#include "core/filter/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

// Starts reception of all protocols from `interface`, or from all interfaces of the namespace if it is 0.
Result<> bindToInterface(int socket, std::uint32_t interface);
// Atomically replaces the program that distributes packets among the rings of a fanout group (PACKET_FANOUT_CBPF).
// `socket`: any of the group. The program returns the number of a ring, counted from 0 in the order in which the rings
// joined. Until the first program is set, ring 0 gets all packets.
Result<> shareByProgram(int socket, std::span<const FilterInstruction> program);
// Joins or leaves a promiscuous membership for one interface; the kernel ends it with the socket or the device.
Result<> setPromiscuous(int socket, std::uint32_t interface, bool on);

}  // namespace ringtap
