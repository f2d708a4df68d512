#include "core/ledger/dedupe_relations.h"

#include <utility>
#include <vector>

namespace ringtap {

void DedupeRelations::changed(const InterfaceInfo& before, const InterfaceInfo& now) {
  const bool same = before.kind == now.kind && before.master == now.master && before.peerIndex == now.peerIndex &&
                    before.peerNetnsId == now.peerNetnsId;
  outdated_ = outdated_ || !same;
}

void DedupeRelations::update(InterfacesByIndex& interfaces, Direction direction, const Moment& now,
                             KernelVerdicts& kernel) {
  if (!enabled_ || !std::exchange(outdated_, false)) return;
  std::vector<DedupeDevice> devices;
  devices.reserve(interfaces.size());
  for (const auto& [index, tracked] : interfaces) {
    if (!tracked->present()) continue;
    const InterfaceInfo& info = tracked->info();
    const bool paired = info.kind == "veth" && info.peerNetnsId == -1;
    devices.push_back(
        {index, info.kind, info.master, paired ? info.peerIndex : 0, tracked->verdicts.now() == Verdict::Selected});
  }
  for (const auto& [index, relation] : relate(devices, direction)) {
    TrackedInterface& tracked = *interfaces.at(index);
    if (tracked.relation == relation) continue;
    tracked.relation = relation;
    tracked.relatedFrom = now;
    kernel.relate(tracked);
  }
}

}  // namespace ringtap
