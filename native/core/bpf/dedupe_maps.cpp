#include "core/bpf/dedupe_maps.h"

#include <sys/mman.h>

#include <utility>

#include "core/bpf/ebpf.h"

namespace ringtap {

Result<DedupeMaps> DedupeMaps::create(std::uint32_t slots) {
  DedupeMaps maps;
  auto array = createMappableArray(sizeof(DedupeSlot), slots);
  if (!array) return array.error();
  auto path = createProcessorArray(sizeof(DedupePath), 1);
  if (!path) return path.error();
  const std::size_t length = mappedLength(sizeof(DedupeSlot), slots);
  void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, array->get(), 0);
  if (memory == MAP_FAILED) return Error::fromErrno("mmap", "the eBPF table of duplicates could not be mapped");
  maps.slots_ = static_cast<DedupeSlot*>(memory);
  maps.slotArray_ = std::move(*array);
  maps.path_ = std::move(*path);
  maps.baseline_.assign(slots, 0);
  return maps;
}

DedupeMaps::DedupeMaps(DedupeMaps&& other) noexcept
    : slotArray_(std::move(other.slotArray_)),
      path_(std::move(other.path_)),
      slots_(std::exchange(other.slots_, nullptr)),
      baseline_(std::move(other.baseline_)) {}

DedupeMaps::~DedupeMaps() {
  if (slots_ != nullptr)
    ::munmap(slots_, mappedLength(sizeof(DedupeSlot), static_cast<std::uint32_t>(baseline_.size())));
}

void DedupeMaps::reset(std::uint32_t slot) {
  relate(slot, {});
  baseline_[slot] = __atomic_load_n(&slots_[slot].duplicates, __ATOMIC_RELAXED);
}

void DedupeMaps::relate(std::uint32_t slot, const DedupeRelation& relation) {
  if (__atomic_load_n(&slots_[slot].master, __ATOMIC_RELAXED) != relation.master) {
    // Cleared first, so that one master is never combined with the flags of another.
    __atomic_store_n(&slots_[slot].flags, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&slots_[slot].master, relation.master, __ATOMIC_RELEASE);
  }
  __atomic_store_n(&slots_[slot].flags, relation.flags, __ATOMIC_RELEASE);
}

std::uint64_t DedupeMaps::duplicates(std::uint32_t slot) const {
  return __atomic_load_n(&slots_[slot].duplicates, __ATOMIC_RELAXED) - baseline_[slot];
}

}  // namespace ringtap
