// An eBPF socket filter that can be replaced while sockets run it.
//
// The sockets have a stub, which calls the present program out of an array of one (BPF_MAP_TYPE_PROG_ARRAY, bpf(2)). So
// one update replaces the program of all sockets, atomically, and none of them pays for it: a filter that is attached
// to a socket counts towards the memory for the socket's options (net.core.optmem_max: 20 KiB on older kernels, 128 KiB
// now), and while it is being replaced, both the old and the new one do.
//
// The kernel takes only programs into the array that it runs as it does the stub, compiled or interpreted
// (bpf_prog_array_compatible(), kernel/bpf/core.c); others it refuses with EINVAL.
//
// Not thread-safe.
#pragma once

#include <linux/bpf.h>

#include <span>

#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

class ReplaceableFilter {
 public:
  // Loads the program. Until begin() this refuses every packet.
  [[nodiscard]] static Result<ReplaceableFilter> create(std::span<const bpf_insn> program);

  // Attaches this filter to a socket, in place of the one that it has. Once this object is destroyed, its sockets
  // refuse every packet.
  Result<> attach(int socket) const;
  // The sockets run the program from now on. Without effect after the first call.
  Result<> begin();
  // Loads a program, which all sockets run from now on. After an error they run the old one.
  Result<> replace(std::span<const bpf_insn> program);

 private:
  ReplaceableFilter(UniqueFd programs, UniqueFd stub, UniqueFd first)
      : programs_(std::move(programs)), stub_(std::move(stub)), first_(std::move(first)) {}

  UniqueFd programs_;  // the kernel empties the array when this is closed
  UniqueFd stub_;
  UniqueFd first_;  // the program until begin(); afterwards the array alone keeps it
};

}  // namespace ringtap
