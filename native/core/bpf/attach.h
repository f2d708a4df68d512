// Attaches filters to packet sockets (SO_ATTACH_FILTER and SO_ATTACH_BPF, socket(7)): a ring's, or one that libpcap
// opened.
#pragma once

#include <linux/filter.h>

#include <span>

#include "core/filter/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

// The program as an argument of setsockopt(2). Points to the instructions; does not copy them.
[[nodiscard]] sock_fprog kernelProgram(std::span<const FilterInstruction> program);

// Replaces the socket's filter atomically: each packet is judged by either the old or the new one.
Result<> attachFilter(int socket, std::span<const FilterInstruction> program);
Result<> attachFilter(int socket, int ebpfProgram);
// Attaches a filter that accepts nothing.
Result<> refusePackets(int socket);

}  // namespace ringtap
