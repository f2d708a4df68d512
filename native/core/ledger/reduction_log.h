// What sampling and slices leave out of a capture, and since when, for the files that state it.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/block/ring_position.h"
#include "core/bpf/cbpf_program.h"

namespace ringtap {

// One line for each of sampling and slice that is in force; docs/guides/sampling.md has their form.
using Reduction = std::vector<std::string>;
[[nodiscard]] Reduction reductionOf(const FilterSpec& spec);

class ReductionLog {
 public:
  // `reduction`: of every packet, until a change.
  explicit ReductionLog(Reduction reduction);

  // This reduction applies from now on; it may be the present one.
  void change(Reduction reduction, const Moment& now);

  // What applies to a packet with this timestamp.
  [[nodiscard]] std::shared_ptr<const Reduction> at(BlockNumber block, std::uint64_t timestamp) const;
  [[nodiscard]] std::shared_ptr<const Reduction> latest() const;
  // True if the same applies to all packets of the block.
  [[nodiscard]] bool isSteady(BlockNumber block) const;

 private:
  struct Entry {
    Moment from;  // applies to packets received after this
    std::shared_ptr<const Reduction> reduction;
  };

  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // oldest first; bounded
};

}  // namespace ringtap
