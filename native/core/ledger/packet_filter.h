// The filter in user space, for packets that the kernel accepted under another filter or under none. Its result equals
// that of the kernel's socket filter, in classic BPF and in eBPF.
#pragma once

#include "core/block/block.h"
#include "core/bpf/cbpf_program.h"

namespace ringtap {

// Accepted: the packet matches the direction, the address sets and the user's filter, is of no excluded connection, and
// is of a flow that the sampling takes. SampledOut: only the last does not hold.
enum class Judgement { Accepted, Refused, SampledOut };
[[nodiscard]] Judgement judge(const FilterSpec& spec, const Record& record);

// Cuts the packet as the kernel would.
void cutToSlice(const FilterSpec& spec, Record& record);

}  // namespace ringtap
