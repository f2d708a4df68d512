// Address sets in the classic mode of the filter: search trees over the addresses, written into the program.
#pragma once

#include <cstddef>

#include "core/bpf/address_set.h"
#include "core/bpf/filter_instruction.h"

namespace ringtap {

// A part of a socket's program: runs off its end for a packet that the sets let pass, refuses any other (`ret #0`). A,
// X and M[0] to M[3] are void behind it.
//
// The source and the destination are searched for one after the other, in a tree each: classic BPF has no loops. A host
// costs little more than two instructions of IPv4, six to fourteen of IPv6. Longer than the kernel takes, possibly: up
// to the caller.
[[nodiscard]] FilterProgram assembleAddresses(const AddressSet& addresses);

// How many of the ranges of the sets a part of at most `room` instructions holds, in ascending order, IPv4 first.
[[nodiscard]] std::size_t addressesThatFit(const AddressSet& addresses, std::size_t room);

}  // namespace ringtap
