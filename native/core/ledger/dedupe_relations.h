// The relations between the interfaces of a capture for the removal of duplicates (core/bpf/dedupe.h). They are
// recomputed when an interface or a verdict has changed.
//
// Not thread-safe: guarded by SelectionTable's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "core/bpf/dedupe.h"
#include "core/ledger/kernel_verdicts.h"
#include "core/ledger/tracked_interface.h"

namespace ringtap {

// The latest interface of each index. By index, because packets, masters and peers are given by it; each holds the
// identity of its device.
using InterfacesByIndex = std::unordered_map<std::uint32_t, std::shared_ptr<TrackedInterface>>;

class DedupeRelations {
 public:
  // If not `enabled`, no interface is related to another.
  explicit DedupeRelations(bool enabled) : enabled_(enabled) {}
  [[nodiscard]] bool enabled() const { return enabled_; }

  // Call it when a verdict has changed, or an interface was added or removed.
  void invalidate() { outdated_ = true; }
  // Call it when the description of an interface has changed.
  void changed(const InterfaceInfo& before, const InterfaceInfo& now);
  // Updates the relations in the interfaces and in the kernel. New relations apply to packets received after `now`.
  void update(InterfacesByIndex& interfaces, Direction direction, const Moment& now, KernelVerdicts& kernel);

 private:
  const bool enabled_;
  bool outdated_ = true;
};

}  // namespace ringtap
