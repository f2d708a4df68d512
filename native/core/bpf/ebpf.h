// The bpf(2) system call, as much of it as the socket filter needs: three kinds of maps, one kind of program.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// Whether the calling thread may expect bpf(2) to work: CAP_BPF or CAP_SYS_ADMIN, or a kernel that lets everyone. Ask
// before trying: a strict seccomp filter (systemd's SystemCallFilter=) kills the process for the call.
[[nodiscard]] bool mayUseBpf();

// A hash map from u32 to a value of `valueSize` bytes.
[[nodiscard]] Result<UniqueFd> createHashMap(std::uint32_t valueSize, std::uint32_t entries);

// A hash map from a key of `keySize` bytes, with memory for all entries taken at once.
[[nodiscard]] Result<UniqueFd> createFullHashMap(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries);

// A map from prefixes, of which a lookup finds the longest that fits: a key is its number of bits (u32), then the bytes
// of the address (Linux 4.11; for CAP_BPF alone).
[[nodiscard]] Result<UniqueFd> createTrie(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries);

// An array of `entries` values of `valueSize` bytes that can be mapped into this process (Linux 5.5).
[[nodiscard]] Result<UniqueFd> createMappableArray(std::uint32_t valueSize, std::uint32_t entries);

// An array of which every processor has its own, for programs alone.
[[nodiscard]] Result<UniqueFd> createProcessorArray(std::uint32_t valueSize, std::uint32_t entries);

[[nodiscard]] bool mapUpdate(int map, std::uint32_t key, const void* value);
// Puts in entry after entry: values.size() keys of `keySize` bytes each, all different. Many in a call where the kernel
// can do that (hashes since Linux 5.6, tries since 5.14).
Result<> mapUpdateAll(int map, std::span<const std::uint8_t> keys, std::uint32_t keySize,
                      std::span<const std::uint32_t> values);
[[nodiscard]] bool mapLookup(int map, std::uint32_t key, void* value);
bool mapDelete(int map, std::uint32_t key);

// Verifies and loads a socket filter. On refusal the error carries the end of the verifier's log.
[[nodiscard]] Result<UniqueFd> loadSocketFilter(std::span<const bpf_insn> program);

// The length in memory of an array created with createMappableArray.
[[nodiscard]] std::size_t mappedLength(std::uint32_t valueSize, std::uint32_t entries);

}  // namespace ringtap
