// How the interfaces of a capture stand to each other, for the rule on duplicates (core/bpf/dedupe.h): worked out anew
// when something has changed that it follows from.
//
// No lock: SelectionTable keeps it under its own.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "core/bpf/dedupe.h"
#include "core/ledger/kernel_verdicts.h"
#include "core/ledger/tracked_interface.h"

namespace ringtap {

// Each interface under its index.
using InterfacesByIndex = std::unordered_map<std::uint32_t, std::shared_ptr<TrackedInterface>>;

class DedupeRelations {
 public:
  // Not `enabled`: no interface is related to another.
  explicit DedupeRelations(bool enabled) : enabled_(enabled) {}
  [[nodiscard]] bool enabled() const { return enabled_; }

  // A verdict has changed, or an interface has come or gone.
  void invalidate() { outdated_ = true; }
  // The description of an interface has changed.
  void changed(const InterfaceInfo& before, const InterfaceInfo& now);
  // Brings the interfaces' relations, and with them the kernel's, up to date; new ones are about packets from after
  // `now`.
  void update(InterfacesByIndex& interfaces, Direction direction, const Moment& now, KernelVerdicts& kernel);

 private:
  const bool enabled_;
  bool outdated_ = true;
};

}  // namespace ringtap
