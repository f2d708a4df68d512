// The kernel maps for duplicates: the relations of devices, the counters, and the latest arrival.
//
// Not thread-safe; owned by the KernelFilter in eBPF mode. Slot numbers are those of its verdicts.
#pragma once

#include <cstdint>
#include <utility>

#include "core/bpf/dedupe.h"
#include "core/bpf/dedupe_program.h"
#include "core/bpf/slot_array.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

class DedupeMaps {
 public:
  [[nodiscard]] static Result<DedupeMaps> create(std::uint32_t slots);

  [[nodiscard]] DedupeMapFds fds() const { return {slots_.fd(), path_.get()}; }

  // Assigns the slot to another device, without relations and with no duplicates counted.
  void reset(std::uint32_t slot);
  void relate(std::uint32_t slot, const DedupeRelation& relation);
  // Duplicates counted at the slot's present device.
  [[nodiscard]] std::uint64_t duplicates(std::uint32_t slot) const {
    return slots_.count(slot, &DedupeSlot::duplicates);
  }

 private:
  using Slots = SlotArray<DedupeSlot, &DedupeSlot::duplicates>;

  DedupeMaps(Slots slots, UniqueFd path) : slots_(std::move(slots)), path_(std::move(path)) {}

  Slots slots_;
  UniqueFd path_;
};

}  // namespace ringtap
