// The per-processor counters of the kernel's packet backlog: /proc/net/softnet_stat (net/core/net-procfs.c). They cover
// the whole host, in every network namespace.
//
// One owner; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ringtap {

struct SoftnetStats {
  std::uint64_t dropped = 0;       // packets dropped because a processor's backlog was full
  std::uint64_t timeSqueezed = 0;  // how often a processor's budget ran out with packets still waiting
};

struct ProcessorCounters {
  std::uint32_t dropped = 0;
  std::uint32_t timeSqueezed = 0;
};

// Keyed by processor number. nullopt if the text does not have the kernel's format, for example if the file is masked.
[[nodiscard]] std::optional<std::map<std::uint32_t, ProcessorCounters>> parseSoftnet(std::string_view text);

class Softnet {
 public:
  using Source = std::function<std::optional<std::string>()>;

  // Counting starts at construction.
  Softnet();
  explicit Softnet(Source source);

  // The sums over all processors since construction; nullopt if the counters cannot be read.
  [[nodiscard]] std::optional<SoftnetStats> stats();

 private:
  Source source_;
  std::optional<std::map<std::uint32_t, ProcessorCounters>> last_;
  SoftnetStats sums_;
};

}  // namespace ringtap
