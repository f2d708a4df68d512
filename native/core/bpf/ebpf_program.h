// The socket filter in eBPF mode: the interfaces are in maps that change while it runs; the user's classic program is
// translated. The instructions are assembled here, so neither a compiler nor libbpf is needed at run time.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "core/bpf/address_maps.h"
#include "core/bpf/cbpf_program.h"
#include "core/bpf/connection_maps.h"
#include "core/bpf/cutoff_program.h"
#include "core/bpf/dedupe_program.h"
#include "core/util/result.h"

namespace ringtap {

// An entry of the slot array: the verdict on an interface, and the number of its packets accepted, and of those that
// only the sampling refused.
struct Slot {
  std::uint32_t flags;
  std::uint32_t reserved;
  std::uint64_t accepted;
  std::uint64_t sampledOut;
};

inline constexpr std::uint32_t kSlotRefused = 1;   // nothing passes
inline constexpr std::uint32_t kSlotLoopback = 2;  // outgoing packets are dropped: they come in again
// Bits 8 to 15: the ordinal of the device's link type (linkTypeOrdinal), which selects the part of the filter. It does
// not depend on the filter: slots are unchanged when the filter is replaced.
inline constexpr std::uint32_t kSlotLinkTypeShift = 8;

struct EbpfMaps {
  int slotOf;                                // hash: ifindex → u32 index into `slots`
  int slots;                                 // array of Slot
  int unlistedMap;                           // hash: ifindex → u64 packets accepted from an interface without a slot
  std::optional<DedupeMapFds> dedupe{};      // if set: duplicates are refused (core/bpf/dedupe.h) and counted here
  std::optional<AddressMapFds> addresses{};  // if set: the address sets, checked for packets that the filter accepts
  std::optional<ConnectionMapFds> connections{};  // the same for the excluded connections
  std::optional<CutoffSettings> cutoff{};         // if set: applied to packets that everything else accepts
};

// A packet of an interface without a slot is accepted whole, without filter, address sets, connections, sampling or
// slice (eBPF cannot read a device's type), so that all of it can be judged later, and counted in `unlistedMap`; if
// acceptUnlisted is false, it is refused. It is never a duplicate.
[[nodiscard]] Result<std::vector<bpf_insn>> assembleEbpf(const FilterSpec& spec, bool acceptUnlisted,
                                                         const EbpfMaps& maps);

}  // namespace ringtap
