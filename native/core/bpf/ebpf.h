// The subset of bpf(2) that the programs of this library need.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/util/page_range.h"
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

// The same, allocated entry by entry.
[[nodiscard]] Result<UniqueFd> createSparseHashMap(std::uint32_t keySize, std::uint32_t valueSize,
                                                   std::uint32_t entries);

// A hash map that drops the entry used longest ago when it is full.
[[nodiscard]] Result<UniqueFd> createLruHashMap(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries);

// A map from prefixes; a lookup finds the longest one that matches. A key is the prefix length in bits (u32), then the
// bytes of the address (Linux 4.11; needs CAP_BPF).
[[nodiscard]] Result<UniqueFd> createTrie(std::uint32_t keySize, std::uint32_t valueSize, std::uint32_t entries);

// An array of `entries` values that is mapped into this process, to read and to write (Linux 5.5). The kernel rounds
// `valueSize`, in bytes, up to a multiple of 8.
struct MappedArray {
  UniqueFd map;
  PageRange memory;
};
[[nodiscard]] Result<MappedArray> createMappedArray(std::uint32_t valueSize, std::uint32_t entries);

// A per-processor array, accessed by programs only.
[[nodiscard]] Result<UniqueFd> createProcessorArray(std::uint32_t valueSize, std::uint32_t entries);

// An array of programs that other programs call (bpf_tail_call, bpf-helpers(7)). The value of an entry is the program's
// descriptor. The kernel removes the programs when the last descriptor of the array is closed.
[[nodiscard]] Result<UniqueFd> createProgramArray(std::uint32_t entries);

[[nodiscard]] bool mapUpdate(int map, std::uint32_t key, const void* value);
// Inserts values.size() entries; the keys have `keySize` bytes each and are all different. Uses batch updates where the
// kernel has them (hashes since Linux 5.6, tries since 5.14).
Result<> mapUpdateAll(int map, std::span<const std::uint8_t> keys, std::uint32_t keySize,
                      std::span<const std::uint32_t> values);
[[nodiscard]] bool mapLookup(int map, std::uint32_t key, void* value);
bool mapDelete(int map, std::uint32_t key);
// The same for keys of any size. Return the errno, or 0.
[[nodiscard]] int mapUpdate(int map, std::span<const std::uint8_t> key, const void* value);
[[nodiscard]] int mapDelete(int map, std::span<const std::uint8_t> key);

// Loads a socket filter. If the verifier refuses it, the error has the end of its log.
[[nodiscard]] Result<UniqueFd> loadSocketFilter(std::span<const bpf_insn> program);

// A program that runs whenever a process of a control group makes a socket of IPv4 or IPv6
// (BPF_CGROUP_INET_SOCK_CREATE). Needs CAP_BPF and CAP_NET_ADMIN.
[[nodiscard]] Result<UniqueFd> loadSocketWatcher(std::span<const bpf_insn> program);

// Attaches it to the control group of version 2 that is open as `cgroup`, and those below, beside other programs (Linux
// 5.7). It stays attached until the result is closed.
[[nodiscard]] Result<UniqueFd> attachToGroup(int program, int cgroup);

// A ring of `bytes` bytes, a power of two of pages, which programs write and this process reads (Linux 5.8).
[[nodiscard]] Result<UniqueFd> createRing(std::uint32_t bytes);

}  // namespace ringtap
