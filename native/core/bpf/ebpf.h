// The subset of bpf(2) that the socket filter needs.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// Whether the calling thread may use bpf(2): it has CAP_BPF or CAP_SYS_ADMIN, or the kernel allows unprivileged use.
// Check before any call: a strict seccomp filter (systemd's SystemCallFilter=) kills the process for the attempt.
[[nodiscard]] bool mayUseBpf();

// A hash map from u32 to a value of `valueSize` bytes.
[[nodiscard]] Result<UniqueFd> createHashMap(std::uint32_t valueSize, std::uint32_t entries);

// A hash map from a key of `keySize` bytes, with memory for all entries preallocated.
[[nodiscard]] Result<UniqueFd> createFullHashMap(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries);

// A map from prefixes; a lookup finds the longest one that matches. A key is the prefix length in bits (u32), then the
// bytes of the address (Linux 4.11; needs CAP_BPF).
[[nodiscard]] Result<UniqueFd> createTrie(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries);

// An array of `entries` values of `valueSize` bytes that can be mapped into this process (Linux 5.5).
[[nodiscard]] Result<UniqueFd> createMappableArray(std::uint32_t valueSize, std::uint32_t entries);

// A per-processor array, accessed by programs only.
[[nodiscard]] Result<UniqueFd> createProcessorArray(std::uint32_t valueSize, std::uint32_t entries);

[[nodiscard]] bool mapUpdate(int map, std::uint32_t key, const void* value);
// Inserts values.size() entries; the keys have `keySize` bytes each and are all different. Uses batch updates where the
// kernel has them (hashes since Linux 5.6, tries since 5.14).
Result<> mapUpdateAll(int map, std::span<const std::uint8_t> keys, std::uint32_t keySize,
                      std::span<const std::uint32_t> values);
[[nodiscard]] bool mapLookup(int map, std::uint32_t key, void* value);
bool mapDelete(int map, std::uint32_t key);

// Loads a socket filter. If the verifier refuses it, the error has the end of its log.
[[nodiscard]] Result<UniqueFd> loadSocketFilter(std::span<const bpf_insn> program);

// The number of bytes to map of an array created with createMappableArray.
[[nodiscard]] std::size_t mappedLength(std::uint32_t valueSize, std::uint32_t entries);

}  // namespace ringtap
