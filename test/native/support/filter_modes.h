// Which forms of the kernel's table of interfaces a test can have.
#pragma once

#include <cstdio>
#include <vector>

#include "core/bpf/ebpf.h"
#include "core/bpf/kernel_filter.h"

namespace support {

// Those that this process may use. The other is not tested then, and the program says so, once. In a user namespace
// (namespace.h) a process has the capability, and the kernel makes no map for it all the same: so this tries.
inline const std::vector<ringtap::FilterMode>& filterModes() {
  using ringtap::FilterMode;
  static const std::vector<FilterMode> usable = [] {
    if (ringtap::mayUseBpf() && ringtap::createHashMap(4, 1).ok())
      return std::vector{FilterMode::Classic, FilterMode::Ebpf};
    std::fprintf(stderr, "*** NOT RUN: the eBPF form (CAP_BPF)\n");
    return std::vector{FilterMode::Classic};
  }();
  return usable;
}

}  // namespace support
