// The second filtering, in user space: of packets that the kernel accepted under a filter that has been replaced since.
//
// No lock: SelectionTable keeps it under its own.
#pragma once

#include <cstddef>

#include "core/bpf/cbpf_program.h"
#include "core/ledger/taken_block.h"

namespace ringtap {

class Refilter {
 public:
  // Applies `spec` to blocks up to `position` as they are handed out.
  void enforce(const FilterSpec& spec, const RingPosition& position) {
    enforced_ = spec;
    until_ = position;
  }
  [[nodiscard]] bool concerns(const TakenBlock& taken) const { return isBefore(until_, taken.number); }
  // Removes the packets that the filter refuses from the block's index, and from the counts of their interfaces.
  // Returns how many.
  std::uint64_t apply(std::byte* block, TakenBlock& taken) const;

 private:
  RingPosition until_;
  FilterSpec enforced_;  // not always the present filter: that one only applies to newer packets
};

}  // namespace ringtap
