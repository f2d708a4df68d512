// Address sets in the classic filter mode: search trees over the addresses, as instructions.
#pragma once

#include <cstddef>

#include "core/bpf/address_set.h"
#include "core/filter/filter_instruction.h"

namespace ringtap {

// A part of a socket filter: execution reaches its end for a packet that the sets accept, and returns 0 (`ret #0`) for
// any other. Overwrites A, X and M[0] to M[3].
//
// The source and the destination are searched one after the other, each in its own tree, since classic BPF has no
// loops. An IPv4 host takes little more than two instructions, an IPv6 host six to fourteen. The part may be longer
// than the kernel accepts: the caller checks.
[[nodiscard]] FilterProgram assembleAddresses(const AddressSet& addresses);

// How many of the sets' ranges fit into at most `room` instructions, in ascending order, IPv4 first.
[[nodiscard]] std::size_t addressesThatFit(const AddressSet& addresses, std::size_t room);

}  // namespace ringtap
