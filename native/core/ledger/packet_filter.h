// The filter in user space, for packets that the kernel accepted under another filter or under none. Its result equals
// that of the kernel's socket filter, in classic BPF and in eBPF.
#pragma once

#include "core/block/block.h"
#include "core/bpf/cbpf_program.h"

namespace ringtap {

// True if the packet matches the direction, the address sets and the user's filter.
[[nodiscard]] bool accepts(const FilterSpec& spec, const Record& record);

}  // namespace ringtap
