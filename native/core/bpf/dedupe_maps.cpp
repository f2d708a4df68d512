#include "core/bpf/dedupe_maps.h"

#include "core/bpf/ebpf.h"

namespace ringtap {

Result<DedupeMaps> DedupeMaps::create(std::uint32_t slots) {
  auto array = Slots::create(slots);
  if (!array) return std::move(array.error());
  auto path = createProcessorArray(sizeof(DedupePath), 1);
  if (!path) return std::move(path.error());
  return DedupeMaps(std::move(*array), std::move(*path));
}

void DedupeMaps::reset(std::uint32_t slot) {
  relate(slot, {});
  slots_.reset(slot);
}

void DedupeMaps::relate(std::uint32_t slot, const DedupeRelation& relation) {
  DedupeSlot& entry = slots_[slot];
  if (__atomic_load_n(&entry.master, __ATOMIC_RELAXED) != relation.master) {
    // Cleared first, so that one master is never combined with the flags of another.
    __atomic_store_n(&entry.flags, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&entry.master, relation.master, __ATOMIC_RELEASE);
  }
  __atomic_store_n(&entry.flags, relation.flags, __ATOMIC_RELEASE);
}

}  // namespace ringtap
