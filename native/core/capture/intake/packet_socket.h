// What is asked of a packet socket (packet(7)) whoever opened it: our own ring, or libpcap.
#pragma once

#include <cstdint>
#include <span>

#include "core/bpf/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

// Starts reception of every protocol from `interface`, or from every interface of the namespace where it is 0.
Result<> bindToInterface(int socket, std::uint32_t interface);
// Replaces the program by which the rings of a fanout group share packets (Sharing::ByProgram, ring.h), atomically; any
// socket of the group. It gives the number of the ring, counted in the order of their joining. Before the first one all
// is ring 0's.
Result<> shareByProgram(int socket, std::span<const FilterInstruction> program);
// A promiscuous membership for one interface; the kernel drops it with the socket or the device.
Result<> setPromiscuous(int socket, std::uint32_t interface, bool on);

}  // namespace ringtap
