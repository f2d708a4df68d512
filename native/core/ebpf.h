// The bpf(2) system call, as much of it as the socket filter needs: three kinds of maps, one kind of program.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"
#include "core/unique_fd.h"

namespace ringtap {

// Whether the calling thread may expect bpf(2) to work: CAP_BPF or CAP_SYS_ADMIN, or a kernel that lets everyone. Ask
// before trying: a strict seccomp filter (systemd's SystemCallFilter=) kills the process for the call.
[[nodiscard]] bool mayUseBpf();

// A hash map from u32 to a value of `valueSize` bytes.
[[nodiscard]] Result<UniqueFd> createHashMap(std::uint32_t valueSize, std::uint32_t entries);

// An array of `entries` values of `valueSize` bytes that can be mapped into this process (Linux 5.5).
[[nodiscard]] Result<UniqueFd> createMappableArray(std::uint32_t valueSize, std::uint32_t entries);

// An array of which every processor has its own, for programs alone.
[[nodiscard]] Result<UniqueFd> createProcessorArray(std::uint32_t valueSize, std::uint32_t entries);

[[nodiscard]] bool mapUpdate(int map, std::uint32_t key, const void* value);
[[nodiscard]] bool mapLookup(int map, std::uint32_t key, void* value);
bool mapDelete(int map, std::uint32_t key);

// Verifies and loads a socket filter. On refusal the error carries the end of the verifier's log.
[[nodiscard]] Result<UniqueFd> loadSocketFilter(std::span<const bpf_insn> program);

// The length in memory of an array created with createMappableArray.
[[nodiscard]] std::size_t mappedLength(std::uint32_t valueSize, std::uint32_t entries);

}  // namespace ringtap
