// Slices: each packet is cut behind its headers, by the kernel's filter, so that the rest never reaches the ring.
//
// Which headers: slice_program.h.
#pragma once

#include <cstdint>

namespace ringtap {

// L4: up to the transport header, that one included. Headers: the same, of what is inside tunnels.
enum class Slice : std::uint32_t { None, L4, Headers };

}  // namespace ringtap
