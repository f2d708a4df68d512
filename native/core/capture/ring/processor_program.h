// The fanout program that gives each packet to the ring of the processor that receives or sends it.
#pragma once

#include <cstdint>
#include <span>

#include "core/filter/filter_instruction.h"

namespace ringtap {

// For PACKET_FANOUT_CBPF. `processors`: one for each ring, in the order in which the rings joined the group. The
// packets of other processors are spread by the processor's number, as with PACKET_FANOUT_CPU; if `processors` is
// empty, all are.
[[nodiscard]] FilterProgram programByProcessor(std::span<const std::uint32_t> processors);

}  // namespace ringtap
