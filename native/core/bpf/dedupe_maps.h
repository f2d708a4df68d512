// What the rule on duplicates keeps in the kernel: how devices stand to each other, what was counted, and the path.
//
// Not thread-safe; the owner is the KernelFilter in its eBPF mode. Slots are those of its verdicts.
#pragma once

#include <cstdint>
#include <vector>

#include "core/bpf/dedupe.h"
#include "core/bpf/dedupe_program.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

class DedupeMaps {
 public:
  [[nodiscard]] static Result<DedupeMaps> create(std::uint32_t slots);
  DedupeMaps(DedupeMaps&& other) noexcept;
  DedupeMaps& operator=(DedupeMaps&&) = delete;
  ~DedupeMaps();

  [[nodiscard]] DedupeMapFds fds() const { return {slotArray_.get(), path_.get()}; }

  // The slot is another device's from here on: it has no relations and no duplicates.
  void reset(std::uint32_t slot);
  void relate(std::uint32_t slot, const DedupeRelation& relation);
  // Found at the slot's present device.
  [[nodiscard]] std::uint64_t duplicates(std::uint32_t slot) const;

 private:
  DedupeMaps() = default;

  UniqueFd slotArray_;
  UniqueFd path_;
  DedupeSlot* slots_ = nullptr;
  std::vector<std::uint64_t> baseline_;  // what a slot had counted before its present device
};

}  // namespace ringtap
