// Applies the flow cut-off (core/bpf/cutoff.h) in the eBPF filter.
#pragma once

#include <linux/bpf.h>

#include <array>
#include <cstdint>
#include <vector>

#include "core/bpf/connection_set.h"
#include "core/bpf/cutoff.h"
#include "core/bpf/ebpf_assembler.h"
#include "core/util/result.h"

namespace ringtap {

// The key of a connection in the maps: that of connection_set.h, padded with zeros to its longest form; the ifindex, 0
// if it is of no interface; and the IP version. If the ports are equal, the lower address comes first.
inline constexpr std::size_t kCutoffInterface = kConnectionWords6;
inline constexpr std::size_t kCutoffVersion = kConnectionWords6 + 1;
using CutoffKey = std::array<std::uint32_t, kConnectionWords6 + 2>;

// What passed of a connection.
struct CutoffFlow {
  std::uint64_t bytes;
  std::uint64_t packets;
  std::uint64_t last;  // when its latest packet came, passed or not: CLOCK_MONOTONIC, nanoseconds
};

// What the fragments of a packet have in common; the packet's connection is found by it.
struct FragmentKey {
  std::uint32_t interface;  // 0 with `dedupe`
  std::uint32_t version;    // 4 or 6
  std::uint32_t id;
  std::uint32_t protocol;  // IPv4 only
  std::uint8_t addresses[32];
};

// The count of an interface. Slot numbers are those of the verdicts.
struct CutoffSlot {
  std::uint64_t beyond;  // packets refused
};

struct CutoffMapFds {
  int flows = -1;      // LRU hash: CutoffKey → CutoffFlow
  int marks = -1;      // hash: CutoffKey without interface → CutoffMark
  int fragments = -1;  // LRU hash: FragmentKey → CutoffKey without interface
  int slots = -1;      // array of CutoffSlot
};

struct CutoffSettings {
  CutoffMapFds maps;
  CutoffOptions options;
  bool perInterface = true;
};

// Appends the check of a packet that all other checks accept. Expects the context in R6, and the slot number on the
// stack at kKey. For a packet beyond the cut-off it takes a jump added to `refuse`; otherwise execution continues at
// the end of the appended code. R0, R6, R8 and R9 are preserved, and the stack except the words of M[] and those at
// kCutoff. `ordinal`: as of appendAddressCheck().
Result<> appendCutoff(const CutoffSettings& settings, std::uint8_t ordinal, std::vector<bpf_insn>& code,
                      std::vector<std::size_t>& refuse);

}  // namespace ringtap
