// The kernel maps of the flow cut-off: the connections, the marks, and the counters.
//
// Not thread-safe; owned by the KernelFilter in eBPF mode. Slot numbers are those of its verdicts.
#pragma once

#include <cstdint>
#include <utility>

#include "core/bpf/connection_set.h"
#include "core/bpf/cutoff.h"
#include "core/bpf/cutoff_program.h"
#include "core/bpf/slot_array.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

class CutoffMaps {
 public:
  [[nodiscard]] static Result<CutoffMaps> create(const CutoffOptions& options, std::uint32_t slots);

  [[nodiscard]] CutoffMapFds fds() const { return {flows_.get(), marks_.get(), fragments_.get(), slots_.fd()}; }

  // Effective on return. Option: 65536 connections are marked. Permission: the process may not use eBPF any more.
  Result<> mark(const Connection& connection, CutoffMark mark);

  // Assigns the slot to another device, with no packets counted.
  void reset(std::uint32_t slot) { slots_.reset(slot); }
  // Packets refused at the slot's present device.
  [[nodiscard]] std::uint64_t beyond(std::uint32_t slot) const { return slots_.count(slot, &CutoffSlot::beyond); }

 private:
  using Slots = SlotArray<CutoffSlot, &CutoffSlot::beyond>;

  explicit CutoffMaps(Slots slots) : slots_(std::move(slots)) {}

  UniqueFd flows_, marks_, fragments_;
  Slots slots_;
};

// The key under which a connection is marked.
[[nodiscard]] CutoffKey cutoffKeyOf(const Connection& connection);

}  // namespace ringtap
