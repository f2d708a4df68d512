// The socket filter in its eBPF mode: the interfaces in maps that change while it runs, the user's classic program
// translated. Assembled here, instruction by instruction: no compiler and no libbpf at run time.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "core/bpf/address_maps.h"
#include "core/bpf/cbpf_program.h"
#include "core/bpf/dedupe_program.h"
#include "core/util/result.h"

namespace ringtap {

// One entry of the slot array: the verdict on an interface, and how many of its packets were accepted.
struct Slot {
  std::uint32_t flags;
  std::uint32_t reserved;
  std::uint64_t accepted;
};

inline constexpr std::uint32_t kSlotRefused = 1;   // nothing passes
inline constexpr std::uint32_t kSlotLoopback = 2;  // packets that leave are dropped: they come back
// Bits 8 to 15: the ordinal of the device's link type (linkTypeOrdinal), by which a filtered program dispatches. It
// says nothing about the filter: slots stay as they are when that is replaced.
inline constexpr std::uint32_t kSlotLinkTypeShift = 8;

struct EbpfMaps {
  int slotOf;                                // hash: ifindex → u32 index into `slots`
  int slots;                                 // array of Slot
  int unlistedMap;                           // hash: ifindex → u64 packets accepted from an interface without a slot
  std::optional<DedupeMapFds> dedupe{};      // given: duplicates are refused (core/bpf/dedupe.h), and counted there
  std::optional<AddressMapFds> addresses{};  // given: the address sets, for the packets that the filter accepts
};

// A packet of an interface without a slot is accepted as it is, without filter and address sets (eBPF cannot see a
// device's type), and counted in `unlistedMap`; or refused where acceptUnlisted is false. It is no duplicate.
[[nodiscard]] Result<std::vector<bpf_insn>> assembleEbpf(const FilterSpec& spec, bool acceptUnlisted,
                                                         const EbpfMaps& maps);

// Appends the translation of a classic program. The context is in R6; R8 is kept, the other registers and the stack
// from -64 to -1 are used. Every `ret` becomes: the value in R0, then a jump to the end of what was appended.
[[nodiscard]] Result<> translateCbpf(std::span<const FilterInstruction> program, std::vector<bpf_insn>& out);

}  // namespace ringtap
