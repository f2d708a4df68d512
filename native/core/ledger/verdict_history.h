// The verdicts on one interface over time. Each event that asks for one begins a new one, which is about the packets
// received after that event.
//
// No lock: SelectionTable keeps these under its own.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/block/ring_position.h"
#include "core/links/device_losses.h"

namespace ringtap {

enum class Verdict : std::uint8_t { Pending, Selected, Unselected };

// What applies to a packet: the verdict of one event, valid for packets of the block stamped later than `since` and not
// later than `until`.
struct PacketVerdict {
  std::uint64_t epoch = 0;  // of that event
  Verdict verdict = Verdict::Pending;
  std::uint64_t since = 0;
  std::uint64_t until = ~std::uint64_t{0};
};

class VerdictHistory {
 public:
  // Begins with the event that made the interface known; its verdict is about every packet. `losses`, here and below:
  // the device's counters at the time of the event.
  VerdictHistory(std::uint64_t epoch, Verdict verdict, const std::optional<DeviceLosses>& losses);

  // The event of that epoch asks for a verdict on packets from after `from`. Of many events the oldest is forgotten;
  // packets of its time are then judged by the next one.
  void ask(std::uint64_t epoch, const Moment& from, const std::optional<DeviceLosses>& losses);
  // The answer to the event of that epoch. No effect where that event asked for none, or is forgotten.
  void answer(std::uint64_t epoch, bool selected);

  [[nodiscard]] Verdict now() const { return asked_.back().verdict; }
  // Of the event of that epoch, or the last one before it.
  [[nodiscard]] Verdict at(std::uint64_t epoch) const;
  [[nodiscard]] PacketVerdict on(BlockNumber block, std::uint64_t timestamp) const;

  // The device's counters when it was first selected; nothing where it never was, or they were not known then.
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
