// The verdicts on one interface over time. Each event that requires a verdict begins a new entry, which applies to the
// packets received after that event.
//
// Not thread-safe: guarded by SelectionTable's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/block/ring_position.h"
#include "core/links/device_losses.h"

namespace ringtap {

enum class Verdict : std::uint8_t { Pending, Selected, Unselected };

// The verdict of one event on packets of a block. It applies to packets stamped later than `since` and not later than
// `until`.
struct PacketVerdict {
  std::uint64_t epoch = 0;  // of that event
  Verdict verdict = Verdict::Pending;
  std::uint64_t since = 0;
  std::uint64_t until = ~std::uint64_t{0};
};

class VerdictHistory {
 public:
  // Begins with the event that added the interface; its verdict applies to all packets. `losses`, here and below: the
  // device's counters at the time of the event.
  VerdictHistory(std::uint64_t epoch, Verdict verdict, const std::optional<DeviceLosses>& losses);

  // Adds a pending verdict for the event of this epoch, on packets received after `from`. The number of entries is
  // bounded: the oldest is dropped, and the next one then applies to its packets.
  void ask(std::uint64_t epoch, const Moment& from, const std::optional<DeviceLosses>& losses);
  // Sets the verdict for the event of this epoch. No effect if that event has no entry, or its entry was dropped.
  void answer(std::uint64_t epoch, bool selected);

  [[nodiscard]] Verdict now() const { return asked_.back().verdict; }
  // The verdict of the event of this epoch, or of the last one before it.
  [[nodiscard]] Verdict at(std::uint64_t epoch) const;
  [[nodiscard]] PacketVerdict on(BlockNumber block, std::uint64_t timestamp) const;

  // The device's counters when it was first selected; nullopt if it never was, or if they were unknown then.
  [[nodiscard]] const std::optional<DeviceLosses>& lossesAtSelection() const { return lossesAtSelection_; }

 private:
  struct Asked {
    std::uint64_t epoch;
    Verdict verdict;
    Moment from;
    std::optional<DeviceLosses> losses;
  };

  std::vector<Asked> asked_;  // ascending epochs, never empty
  bool everSelected_ = false;
  std::optional<DeviceLosses> lossesAtSelection_;
};

}  // namespace ringtap
