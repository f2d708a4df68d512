// Socket filters on their way to a packet socket (SO_ATTACH_FILTER and SO_ATTACH_BPF, socket(7)), whoever opened it: a
// ring, or libpcap.
#pragma once

#include <linux/filter.h>

#include <span>

#include "core/bpf/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

// The program as setsockopt(2) takes it. It refers to the instructions and copies none.
[[nodiscard]] sock_fprog kernelProgram(std::span<const FilterInstruction> program);

// Replaces the socket filter, atomically: each packet sees the old one or the new one.
Result<> attachFilter(int socket, std::span<const FilterInstruction> program);
Result<> attachFilter(int socket, int ebpfProgram);
// A filter that accepts nothing.
Result<> refusePackets(int socket);

}  // namespace ringtap
