// Filters again, in user space, packets that the kernel accepted under a filter that has since been replaced.
//
// Not thread-safe: guarded by SelectionTable's lock.
#pragma once

#include <cstddef>

#include "core/bpf/cbpf_program.h"
#include "core/ledger/ledger.h"
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
  // Removes the packets that the filter refuses from the block's index, and enters them in the ledger.
  void apply(std::byte* block, TakenBlock& taken, Ledger& ledger) const;

 private:
  RingPosition until_;
  FilterSpec enforced_;  // may differ from the present filter, which may apply to newer packets only
};

}  // namespace ringtap
