// The kernel's counters of its packet queues, one set for each processor, of the whole host whatever the network
// namespace: /proc/net/softnet_stat (net/core/net-procfs.c).
//
// One owner; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/util/unique_fd.h"

namespace ringtap {

struct SoftnetStats {
  std::uint64_t dropped = 0;       // packets for which a processor's backlog had no room
  std::uint64_t timeSqueezed = 0;  // times that a processor left off with packets waiting
};

struct ProcessorCounters {
  std::uint32_t dropped = 0;
  std::uint32_t timeSqueezed = 0;
};

// By the number of the processor. Nothing where the text is not what the kernel writes: a masked file, for one.
[[nodiscard]] std::optional<std::map<std::uint32_t, ProcessorCounters>> parseSoftnet(std::string_view text);

class Softnet {
 public:
  using Source = std::function<std::optional<std::string>()>;

  // Counts from here on.
  Softnet();
  explicit Softnet(Source source);

  // Since the beginning, all processors together; nothing where the kernel does not tell.
  [[nodiscard]] std::optional<SoftnetStats> stats();

 private:
  Source source_;
  std::optional<std::map<std::uint32_t, ProcessorCounters>> last_;
  SoftnetStats sums_;
};

}  // namespace ringtap
