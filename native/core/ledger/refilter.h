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
  // Applies `spec` to packets from before `replaced` as they are handed out: the kernel has applied it to later ones,
  // to all of their bytes, where only what was kept of them can be judged here.
  void enforce(const FilterSpec& spec, const Moment& replaced) {
    enforced_ = spec;
    until_ = replaced;
  }
  [[nodiscard]] bool concerns(const TakenBlock& taken) const { return isBefore(until_.position, taken.number); }
  // Removes the packets that the filter refuses from the block's index, and enters them in the ledger.
  void apply(std::byte* block, TakenBlock& taken, Ledger& ledger) const;

 private:
  Moment until_;
  FilterSpec enforced_;  // may differ from the present filter, which may apply to newer packets only
};

}  // namespace ringtap
