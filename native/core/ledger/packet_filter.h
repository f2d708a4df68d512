// The filter in user space, for packets that the kernel accepted under another filter or under none. Its result equals
// that of the kernel's socket filter, in classic BPF and in eBPF, as far as the bytes that were kept tell it. The
// kernel judges a packet before it cuts it: of a cut one, the user's expression and the sampling count as fulfilled if
// they depend on what is missing, and the address sets and the excluded connections do not.
#pragma once

#include "core/block/block.h"
#include "core/bpf/cbpf_program.h"

namespace ringtap {

// Accepted: the packet matches the direction, the address sets and the user's filter, is of no excluded connection, and
// is of a flow that the sampling takes. SampledOut: only the last does not hold.
enum class Judgement { Accepted, Refused, SampledOut };
[[nodiscard]] Judgement judge(const FilterSpec& spec, const Record& record);

// Cuts the packet to the slice and the snapshot length, as the kernel would.
void cut(const FilterSpec& spec, Record& record);

}  // namespace ringtap
