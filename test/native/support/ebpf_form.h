// The eBPF form of a socket filter in the machine of ebpf_machine.h, with its tables as KernelFilter keeps them.
#pragma once

#include <linux/if_arp.h>

#include <cstring>
#include <optional>

#include "core/ebpf_program.h"
#include "support/ebpf_machine.h"
#include "support/verdict.h"

namespace support {

class EbpfForm {
 public:
  EbpfForm(const ringtap::FilterSpec& spec, bool acceptUnlisted) {
    machine.maps[kSlotOf] = {.valueSize = 4, .entries = 64};
    machine.maps[kSlots] = {.array = true, .valueSize = sizeof(ringtap::Slot), .entries = 64};
    machine.maps[kStrangers] = {.valueSize = 8, .entries = 64};
    auto assembled = ringtap::assembleEbpf(spec, acceptUnlisted, {kSlotOf, kSlots, kStrangers});
    if (assembled.ok()) code = std::move(*assembled);
  }

  void list(std::uint32_t index, std::uint16_t hardwareType, bool refused) {
    const auto slot = static_cast<std::uint32_t>(machine.maps[kSlotOf].values.size());
    ringtap::Slot entry{};
    if (refused) entry.flags |= ringtap::kSlotRefused;
    if (hardwareType == ARPHRD_LOOPBACK) entry.flags |= ringtap::kSlotLoopback;
    const std::uint32_t ordinal = ringtap::linkTypeOrdinal(ringtap::linkTypeOf(hardwareType));
    entry.flags |= ordinal << ringtap::kSlotLinkTypeShift;
    std::memcpy(machine.maps[kSlots].find(slot), &entry, sizeof entry);
    auto& value = machine.maps[kSlotOf].values[index];
    value.resize(4);
    std::memcpy(value.data(), &slot, 4);
  }

  // Packets counted as accepted, of listed and unlisted interfaces.
  std::uint64_t accepted() {
    std::uint64_t sum = 0;
    const auto add = [&](int map, std::size_t offset) {
      for (auto& [key, value] : machine.maps[map].values) {
        std::uint64_t one;
        std::memcpy(&one, value.data() + offset, sizeof one);
        sum += one;
      }
    };
    add(kSlots, offsetof(ringtap::Slot, accepted));
    add(kStrangers, 0);
    return sum;
  }

  EbpfMachine machine;
  std::vector<bpf_insn> code;  // empty where it could not be assembled

 private:
  static constexpr int kSlotOf = 3, kSlots = 4, kStrangers = 5;
};

}  // namespace support
