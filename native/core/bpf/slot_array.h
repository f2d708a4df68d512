// An eBPF array with a slot for each interface, mapped into this process: programs count in the slots, user space reads
// the counts and writes what belongs to the interface.
//
// A slot can be assigned to another interface, by reset(). Programs access the slots at any time, so that their fields
// are read and written atomically.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/bpf/ebpf.h"
#include "core/util/result.h"

namespace ringtap {

// `kCounts`: the fields in which programs count.
template <typename Slot, std::uint64_t Slot::*... kCounts>
class SlotArray {
  static_assert(sizeof(Slot) % 8 == 0, "the kernel rounds the distance of two values up to 8 bytes");

 public:
  [[nodiscard]] static Result<SlotArray> create(std::uint32_t slots) {
    auto array = createMappedArray(sizeof(Slot), slots);
    if (!array) return std::move(array.error());
    return SlotArray(std::move(*array), slots);
  }

  // The map, for programs.
  [[nodiscard]] int fd() const { return array_.map.get(); }
  [[nodiscard]] Slot& operator[](std::uint32_t slot) const {
    return reinterpret_cast<Slot*>(array_.memory.data())[slot];
  }

  // The counts begin at 0 again.
  void reset(std::uint32_t slot) { ((baseline_[slot].*kCounts = total(slot, kCounts)), ...); }
  // Since the slot's last reset().
  [[nodiscard]] std::uint64_t count(std::uint32_t slot, std::uint64_t Slot::*field) const {
    return total(slot, field) - baseline_[slot].*field;
  }

 private:
  SlotArray(MappedArray array, std::uint32_t slots) : array_(std::move(array)), baseline_(slots) {}

  [[nodiscard]] std::uint64_t total(std::uint32_t slot, std::uint64_t Slot::*field) const {
    return __atomic_load_n(&((*this)[slot].*field), __ATOMIC_RELAXED);
  }

  MappedArray array_;
  std::vector<Slot> baseline_;  // each slot's counts at its last reset(); nothing else of it
};

}  // namespace ringtap
