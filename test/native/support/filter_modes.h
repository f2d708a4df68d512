// The filter modes that a test can run here.
#pragma once

#include <cstdio>
#include <vector>

#include "core/bpf/ebpf.h"
#include "core/bpf/kernel_filter.h"

namespace support {

// The modes available to this process. If one is not available, the program prints so once and does not test it. In a
// user namespace (namespace.h) a process has the capability, but the kernel still refuses to create maps, so
// availability is determined by trying.
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
