// User space's verdict on a packet in a block: the same as that of the kernel's two forms of the socket filter, for
// packets that these let pass under another filter, or under none.
#pragma once

#include "core/block/block.h"
#include "core/bpf/cbpf_program.h"

namespace ringtap {

// Whether the packet satisfies everything that is said of packets: direction, address sets, the user's filter.
[[nodiscard]] bool accepts(const FilterSpec& spec, const Record& record);

}  // namespace ringtap
