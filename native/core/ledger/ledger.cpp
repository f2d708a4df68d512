#include "core/ledger/ledger.h"

namespace ringtap {

void Ledger::refuse(InterfaceCounts& counts) {
  ++counts.lateRefused;
  ++totals_.lateRefused;
}

void Ledger::refuseSampledOut(InterfaceCounts& counts) {
  ++counts.stats.sampledOut;
  ++totals_.sampledOut;
  refuse(counts);
}

void Ledger::refuseDuplicate(InterfaceCounts& counts) {
  ++counts.stats.duplicates;
  ++totals_.duplicates;
  refuse(counts);
}

void Ledger::leaveOut(InterfaceCounts& counts) {
  ++counts.stats.unselected;
  ++totals_.unselected;
}

void Ledger::queue(const TakenBlock& taken) {
  totals_.malformed += taken.summary.malformed;
  totals_.queued += taken.summary.packets;
  for (const BlockShare& share : taken.shares) share.interface->counts.stats.queued += share.packets;
}

void Ledger::refuseQueued(InterfaceCounts* counts, bool sampledOut) {
  const auto refuse = [sampledOut](auto& stats, std::uint64_t& lateRefused) {
    --stats.queued;
    ++lateRefused;
    stats.sampledOut += sampledOut ? 1 : 0;
  };
  refuse(totals_, totals_.lateRefused);
  if (counts == nullptr) return;
  refuse(counts->stats, counts->lateRefused);
  --counts->stats.taken;
}

void Ledger::enter(const TakenBlock& taken, Outcome outcome) {
  for (const BlockShare& share : taken.shares) {
    const auto enter = [&](auto& stats) {
      stats.queued -= share.packets;
      if (share.verdict == Verdict::Unselected) {
        stats.unselected += share.packets;
      } else if (outcome == Outcome::DroppedByRecorder) {
        stats.droppedByRecorder += share.packets;
      } else if (outcome == Outcome::DroppedByOverflow) {
        stats.droppedByOverflow += share.packets;
      } else {
        stats.delivered += share.packets;
        stats.bytes += share.bytes;
        stats.truncated += share.truncated;
      }
    };
    enter(share.interface->counts.stats);
    enter(totals_);
  }
}

void Ledger::retract(InterfaceCounts* counts, std::uint64_t packets, std::uint64_t bytes, std::uint64_t truncated) {
  const auto move = [&](auto& stats) {
    stats.delivered -= packets;
    stats.bytes -= bytes;
    stats.truncated -= truncated;
    stats.droppedByOverflow += packets;
  };
  move(totals_);
  if (counts != nullptr) move(counts->stats);
}

void Ledger::add(const KernelCounts& counts) {
  totals_.duplicates += counts.duplicates;
  totals_.beyondCutoff += counts.beyondCutoff;
  totals_.sampledOut += counts.sampledOut;
}

}  // namespace ringtap
