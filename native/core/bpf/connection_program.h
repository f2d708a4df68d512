// Sets of connections in the classic filter mode: search trees over the connections' keys, as instructions.
#pragma once

#include <cstddef>

#include "core/bpf/connection_set.h"
#include "core/filter/filter_instruction.h"

namespace ringtap {

// A part of a socket filter: execution reaches its end for a packet of another connection, or of none, and returns 0
// (`ret #0`) for a packet of these. Overwrites A, X and M[0] to M[13]. The part may be longer than the kernel accepts:
// the caller checks.
[[nodiscard]] FilterProgram assembleConnections(const ConnectionSet& connections);

}  // namespace ringtap
