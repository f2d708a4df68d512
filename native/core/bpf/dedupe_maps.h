// The kernel maps for duplicates: the relations of devices, the counters, and the latest arrival.
//
// Not thread-safe; owned by the KernelFilter in eBPF mode. Slot numbers are those of its verdicts.
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

  // Assigns the slot to another device, without relations and with no duplicates counted.
  void reset(std::uint32_t slot);
  void relate(std::uint32_t slot, const DedupeRelation& relation);
  // Duplicates counted at the slot's present device.
  [[nodiscard]] std::uint64_t duplicates(std::uint32_t slot) const;

 private:
  DedupeMaps() = default;

  UniqueFd slotArray_;
  UniqueFd path_;
  DedupeSlot* slots_ = nullptr;
  std::vector<std::uint64_t> baseline_;  // each slot's count at its last reset()
};

}  // namespace ringtap
