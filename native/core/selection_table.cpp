#include "core/selection_table.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/clock.h"
#include "core/filter_interpreter.h"
#include "core/host_filter.h"
#include "core/link_type.h"

namespace ringtap {

namespace {

constexpr std::size_t kMostGone = 1024;
constexpr std::size_t kMostDecisions = 64;  // of a device that is renamed all the time; blocks wait for fewer
constexpr std::size_t kMostBefore = 64;     // of a device that goes and comes back all the time

// Whether a change leaves what the rule on duplicates asks as it was.
bool sameStanding(const InterfaceInfo& before, const InterfaceInfo& now) {
  return before.kind == now.kind && before.master == now.master && before.peerIndex == now.peerIndex &&
         before.peerNetnsId == now.peerNetnsId;
}

// Finds the share of a packet fast: packets of one interface come in runs, and of few interfaces at a time.
class ShareFinder {
 public:
  explicit ShareFinder(std::vector<BlockShare>& shares) : shares_(shares) {}

  BlockShare* find(const Record& record) {
    const auto index = static_cast<std::uint32_t>(record.from().sll_ifindex);
    const std::uint64_t timestamp = record.timestamp();
    std::uint32_t& position = cache_[index % cache_.size()];
    if (position < shares_.size() && holds(shares_[position], index, timestamp)) return &shares_[position];
    for (std::uint32_t i = 0; i < shares_.size(); ++i) {
      if (!holds(shares_[i], index, timestamp)) continue;
      position = i;
      return &shares_[i];
    }
    return nullptr;
  }

 private:
  static bool holds(const BlockShare& share, std::uint32_t index, std::uint64_t timestamp) {
    return share.interface->info.index == index && timestamp <= share.until &&
           (timestamp > share.since || share.since == 0);
  }

  std::vector<BlockShare>& shares_;
  std::array<std::uint32_t, 256> cache_{};
};

}  // namespace

Verdict TrackedInterface::at(std::uint64_t epoch) const {
  Verdict verdict = decisions.front().verdict;
  for (const Decision& decision : decisions) {
    if (decision.epoch > epoch) break;
    verdict = decision.verdict;
  }
  return verdict;
}

void SelectionTable::use(std::unique_ptr<KernelFilter> kernel) {
  std::lock_guard lock(mutex_);
  kernel_ = std::move(kernel);
  for (const auto& [index, tracked] : byIndex_) {
    tellKernel(*tracked);
    tracked->relation = {};
  }
  relationsOld_ = true;
  relateAll(0);
}

void SelectionTable::tellKernel(const TrackedInterface& tracked) {
  if (!kernel_) return;
  const InterfaceInfo& info = tracked.info;
  switch (tracked.now()) {
    case Verdict::Pending: kernel_->acceptForNow(info.index, info.hardwareType); break;
    case Verdict::Selected: kernel_->accept(info.index, info.hardwareType); break;
    case Verdict::Unselected: kernel_->refuse(info.index, info.hardwareType); break;
  }
}

// Whoever is selected is accepted before others' packets are duplicates for it, and who is not any more is refused only
// afterwards: in between a packet is delivered twice rather than never.
void SelectionTable::relateAll(std::uint64_t since) {
  if (!dedupe_ || !std::exchange(relationsOld_, false)) return;
  std::vector<DedupeDevice> devices;
  devices.reserve(byIndex_.size());
  for (const auto& [index, tracked] : byIndex_) {
    if (!tracked->present) continue;
    const InterfaceInfo& info = tracked->info;
    const bool paired = info.kind == "veth" && info.peerNetnsId == -1;
    devices.push_back(
        {index, info.kind, info.master, paired ? info.peerIndex : 0, tracked->now() == Verdict::Selected});
  }
  for (const auto& [index, relation] : relate(devices, spec_.direction)) {
    TrackedInterface& tracked = *byIndex_.at(index);
    if (tracked.relation == relation) continue;
    tracked.relation = relation;
    tracked.relatedSince = since;
    if (kernel_) kernel_->relate(index, relation);
  }
}

std::shared_ptr<TrackedInterface> SelectionTable::find(std::uint32_t index) {
  const auto found = byIndex_.find(index);
  return found == byIndex_.end() ? nullptr : found->second;
}

void SelectionTable::track(const InterfaceInfo& info, Verdict verdict, Horizon refilterUntil,
                           const std::optional<DeviceLosses>& losses) {
  auto tracked = std::make_shared<TrackedInterface>();
  tracked->info = info;
  tracked->decisions.push_back({epoch_, verdict, 0, losses});
  tracked->refilterUntil = std::move(refilterUntil);
  std::shared_ptr<TrackedInterface>& latest = byIndex_[info.index];
  tracked->before = std::exchange(latest, tracked);
  auto* oldest = &tracked->before;
  for (std::size_t depth = 0; depth < kMostBefore && *oldest; ++depth) oldest = &(*oldest)->before;
  oldest->reset();
  relationsOld_ = true;
  tellKernel(*tracked);
}

void SelectionTable::add(const InterfaceInfo& info, const std::optional<DeviceLosses>& losses) {
  std::lock_guard lock(mutex_);
  track(info, Verdict::Pending, {}, losses);
}

void SelectionTable::retire(TrackedInterface& tracked, const std::optional<DeviceLosses>& losses,
                            const Horizon& horizon) {
  if (!tracked.present) return;
  tracked.present = false;
  tracked.lossesAtEnd = losses;
  relationsOld_ = true;
  tracked.lastBlocks = horizon;
  tracked.refilterUntil = horizon;  // once it is forgotten, its index is as good as one that never was
  if (kernel_) {
    tracked.receivedBefore = kernel_->accepted(tracked.info.index);
    if (tracked.receivedBefore) *tracked.receivedBefore += tracked.inherited;
    const std::uint64_t duplicates = kernel_->duplicates(tracked.info.index);
    tracked.figures.duplicates += duplicates;
    totals_.duplicates += duplicates;
    kernel_->forget(tracked.info.index);
  }
  gone_.push_back(find(tracked.info.index));
  if (gone_.size() <= kMostGone) return;
  const auto oldest = gone_.front();
  gone_.erase(gone_.begin());
  if (find(oldest->info.index) == oldest) byIndex_.erase(oldest->info.index);
}

// `records` packets of the index were taken with this block. Without losses exact: those of the devices before come
// first, and are all there. After losses, what was dropped of these may be put down to this one instead.
void SelectionTable::inherit(TrackedInterface& tracked, std::uint32_t ring, std::uint64_t number,
                             std::uint64_t records) {
  for (auto* link = &tracked.before; *link && records > 0;) {
    TrackedInterface& old = **link;
    if (ring < old.lastBlocks.size() && number <= old.lastBlocks[ring]) {
      const std::uint64_t taken = std::min(records, old.outstanding());
      if (taken > 0) *old.receivedBefore -= taken;  // it has a value where something is outstanding
      tracked.inherited += taken;
      records -= taken;
    }
    if (old.outstanding() > 0) link = &old.before;
    else *link = std::shared_ptr<TrackedInterface>(old.before);
  }
}

void SelectionTable::apply(const std::vector<InterfaceEvent>& events, std::uint64_t time, const Horizon& horizon) {
  std::lock_guard lock(mutex_);
  for (const InterfaceEvent& event : events) {
    ++epoch_;
    const std::uint32_t index = event.current.index;
    const auto tracked = find(index);
    switch (event.change) {
      case InterfaceChange::Added:
        if (tracked) retire(*tracked, {}, horizon);
        track(event.current, hotplug_ ? Verdict::Pending : Verdict::Unselected, horizon, event.losses);
        break;
      case InterfaceChange::Removed:
        if (tracked && tracked->info.generation == event.current.generation) {
          retire(*tracked, event.losses, horizon);
        }
        break;
      case InterfaceChange::Renamed:
      case InterfaceChange::Changed:
        if (!tracked) break;
        if (tracked->info.hardwareType != event.current.hardwareType) tracked->refilterUntil = horizon;
        relationsOld_ = relationsOld_ || !sameStanding(tracked->info, event.current);
        tracked->info = event.current;
        if (event.change == InterfaceChange::Renamed && hotplug_) {
          tracked->decisions.push_back({epoch_, Verdict::Pending, time, event.losses});
          if (tracked->decisions.size() > kMostDecisions) tracked->decisions.erase(tracked->decisions.begin());
          tracked->decisions.front().since = 0;
          relationsOld_ = true;
        }
        tellKernel(*tracked);
        break;
    }
  }
  relateAll(time);
  // Where the kernel refuses a new program, the old one stands and JavaScript hears of it from its own commit().
  if (kernel_ && !closed_) (void)kernel_->commit();
}

std::uint64_t SelectionTable::epoch() const {
  std::lock_guard lock(mutex_);
  return epoch_;
}

SelectionTable::Acquaintance SelectionTable::knows(std::uint32_t index) const {
  std::lock_guard lock(mutex_);
  const auto found = byIndex_.find(index);
  if (found == byIndex_.end()) return Acquaintance::None;
  return found->second->present ? Acquaintance::Present : Acquaintance::Gone;
}

bool SelectionTable::decide(std::uint32_t index, std::uint32_t generation, std::uint64_t epoch, bool selected) {
  std::lock_guard lock(mutex_);
  auto tracked = find(index);
  if (!tracked || tracked->info.generation != generation) {
    // The index may have a new device by now; the packets of the old one still wait for its answer.
    const auto before = std::find_if(gone_.rbegin(), gone_.rend(), [&](const auto& one) {
      return one->info.index == index && one->info.generation == generation;
    });
    if (before == gone_.rend()) return false;
    tracked = *before;
  }
  const Verdict verdict = selected ? Verdict::Selected : Verdict::Unselected;
  for (auto& decision : tracked->decisions) {
    if (decision.epoch != epoch) continue;
    decision.verdict = verdict;
    if (selected && !std::exchange(tracked->everSelected, true)) tracked->lossesBefore = decision.losses;
  }
  relationsOld_ = true;
  if (!tracked->present) return false;
  if (tracked->now() == Verdict::Unselected && (tracked->relation.flags & kDedupeTaken) != 0) relateAll(realNow());
  tellKernel(*tracked);
  return true;
}

Result<> SelectionTable::commit() {
  std::lock_guard lock(mutex_);
  relateAll(realNow());
  return kernel_ && !closed_ ? kernel_->commit() : Result<>{};
}

Result<> SelectionTable::replaceFilter(const FilterSpec& spec) {
  std::lock_guard lock(mutex_);
  FilterSpec next = spec;
  next.hosts = spec_.hosts;
  return replace(std::move(next));
}

Result<> SelectionTable::replaceHosts(std::shared_ptr<const HostFilter> hosts) {
  std::lock_guard lock(mutex_);
  FilterSpec next = spec_;
  next.hosts = std::move(hosts);
  return replace(std::move(next));
}

Result<> SelectionTable::replace(FilterSpec spec) {
  if (kernel_ && !closed_) {
    if (auto replaced = kernel_->replace(spec); !replaced) return replaced;
  }
  spec_ = std::move(spec);
  return {};
}

void SelectionTable::enforceFilter(const Horizon& horizon) {
  std::lock_guard lock(mutex_);
  enforceUntil_ = horizon;
  enforced_ = spec_;
}

Result<> SelectionTable::close(const std::function<Result<>()>& refuseAll) {
  std::lock_guard lock(mutex_);
  closed_ = true;
  return refuseAll();
}

bool SelectionTable::accepts(const FilterSpec& spec, const Record& record) {
  const sockaddr_ll& from = record.from();
  const bool leaving = from.sll_pkttype == PACKET_OUTGOING;
  if (leaving && (from.sll_hatype == ARPHRD_LOOPBACK || spec.direction == Direction::In)) return false;
  if (!leaving && spec.direction == Direction::Out) return false;
  const std::uint16_t linkType = linkTypeOf(from.sll_hatype);
  const std::span<const std::uint8_t> bytes(record.data(), record.header->tp_snaplen);
  if (spec.hosts && !spec.hosts->accepts(linkType, bytes, record.header->tp_len)) return false;
  if (!spec.filtered) return true;
  const LinkTypeFilter* program = programFor(spec, record.ownLinkType().value_or(linkType));
  if (program == nullptr) return false;
  PacketMetadata metadata;
  metadata.packetType = from.sll_pkttype;
  metadata.interfaceIndex = static_cast<std::uint32_t>(from.sll_ifindex);
  metadata.protocol = ntohs(from.sll_protocol);
  metadata.hardwareType = from.sll_hatype;
  metadata.networkOffset = static_cast<std::uint32_t>(record.header->tp_net - record.header->tp_mac);
  metadata.vlanPresent = (record.header->tp_status & TP_STATUS_VLAN_VALID) != 0;
  metadata.vlanTci = static_cast<std::uint16_t>(record.header->hv1.tp_vlan_tci);
  metadata.vlanTpid = record.header->hv1.tp_vlan_tpid;
  return runFilter(program->instructions, bytes, record.header->tp_len, metadata) != 0;
}

BlockShare SelectionTable::share(std::shared_ptr<TrackedInterface> tracked, std::uint64_t timestamp) const {
  BlockShare share;
  const auto& decisions = tracked->decisions;
  std::size_t which = decisions.size() - 1;
  while (which > 0 && timestamp <= decisions[which].since) --which;
  share.verdict = decisions[which].verdict;
  share.epoch = decisions[which].epoch;
  share.since = decisions[which].since;
  share.until = which + 1 < decisions.size() ? decisions[which + 1].since : ~std::uint64_t{0};
  share.device = {tracked->info.index, tracked->info.generation};
  share.interface = std::move(tracked);
  return share;
}

TakenBlock SelectionTable::take(std::byte* block, std::size_t size, std::uint32_t ring, std::uint64_t number,
                                const std::function<void(std::uint32_t)>& stranger) {
  TakenBlock taken;
  taken.ring = ring;
  taken.number = number;
  ShareFinder finder(taken.shares);
  std::unique_lock lock(mutex_);
  const auto shareOf = [&](const Record& record) -> BlockShare* {
    const auto index = static_cast<std::uint32_t>(record.from().sll_ifindex);
    auto tracked = find(index);
    // One that has gone may have left packets in the ring; but there may be another with its index by now.
    if (!tracked || !tracked->present) {
      lock.unlock();
      stranger(index);
      lock.lock();
      tracked = find(index);
      if (!tracked) return nullptr;
    }
    const Horizon& until = tracked->refilterUntil;
    const bool refilter = ring < until.size() && number <= until[ring] && kernel_->unlistedPassUnfiltered();
    taken.shares.push_back(share(std::move(tracked), record.timestamp()));
    taken.shares.back().refilter = refilter;
    return &taken.shares.back();
  };
  // The eBPF form has judged what it could: it knows more than is said here.
  const bool judge = dedupe_ && form() == TableForm::Classic;
  taken.summary = walkBlock(block, size, [&](Record& record) {
    ++taken.records;
    BlockShare* share = finder.find(record);
    if (share == nullptr && (share = shareOf(record)) == nullptr) return false;
    TrackedInterface& tracked = *share->interface;
    ++share->records;
    if (share->refilter && !accepts(spec_, record)) {
      ++tracked.lateRefused;
      ++totals_.lateRefused;
      return false;
    }
    if (judge && record.timestamp() > tracked.relatedSince && duplicateByTopology(tracked.relation, record)) {
      ++tracked.figures.duplicates;
      ++totals_.duplicates;
      ++tracked.lateRefused;
      ++totals_.lateRefused;
      return false;
    }
    ++tracked.figures.taken;
    if (share->verdict == Verdict::Unselected) {
      ++tracked.figures.unselected;
      ++totals_.unselected;
      return false;
    }
    ++share->packets;
    share->truncated += record.truncated() ? 1 : 0;
    share->bytes += record.header->tp_snaplen;
    return true;
  });
  taken.records += taken.summary.malformed;
  totals_.malformed += taken.summary.malformed;
  totals_.queued += taken.summary.packets;
  for (BlockShare& share : taken.shares) {
    taken.pending = taken.pending || share.verdict == Verdict::Pending;
    share.interface->figures.queued += share.packets;
    inherit(*share.interface, ring, number, share.records);
  }
  taken.epoch = epoch_;
  return taken;
}

void SelectionTable::filterAgain(std::byte* block, TakenBlock& taken) {
  ShareFinder finder(taken.shares);
  taken.summary = thinIndex(block, taken.summary, [&](Record& record) {
    if (accepts(enforced_, record)) return true;
    if (BlockShare* share = finder.find(record)) {
      --share->packets;
      share->bytes -= record.header->tp_snaplen;
      share->truncated -= record.truncated() ? 1 : 0;
      TrackedInterface& tracked = *share->interface;
      --tracked.figures.queued;
      --totals_.queued;
      --tracked.figures.taken;
      ++tracked.lateRefused;
    }
    ++totals_.lateRefused;
    return false;
  });
}

void SelectionTable::settle(std::byte* block, TakenBlock& taken) {
  std::lock_guard lock(mutex_);
  if (taken.accounted) return;
  if (taken.ring < enforceUntil_.size() && taken.number <= enforceUntil_[taken.ring]) filterAgain(block, taken);
  if (taken.pending) {
    for (BlockShare& share : taken.shares) {
      if (share.verdict != Verdict::Pending) continue;
      // Whatever has no answer by now has none to come: delivering it loses nothing.
      const Verdict verdict = share.interface->at(share.epoch);
      share.verdict = verdict == Verdict::Unselected ? Verdict::Unselected : Verdict::Selected;
    }
    ShareFinder finder(taken.shares);
    taken.summary = thinIndex(block, taken.summary, [&](Record& record) {
      const BlockShare* share = finder.find(record);
      return share != nullptr && share->verdict != Verdict::Unselected;
    });
    taken.pending = false;
  }
}

void SelectionTable::account(TakenBlock& taken, Fate fate) {
  std::lock_guard lock(mutex_);
  if (std::exchange(taken.accounted, true)) return;
  for (const BlockShare& share : taken.shares) {
    InterfaceFigures& figures = share.interface->figures;
    figures.queued -= share.packets;
    totals_.queued -= share.packets;
    if (share.verdict == Verdict::Unselected) {
      figures.unselected += share.packets;
      totals_.unselected += share.packets;
      continue;
    }
    if (fate == Fate::DroppedByRecorder) {
      figures.droppedByRecorder += share.packets;
      totals_.droppedByRecorder += share.packets;
      continue;
    }
    figures.delivered += share.packets;
    figures.bytes += share.bytes;
    figures.truncated += share.truncated;
    totals_.delivered += share.packets;
    totals_.bytes += share.bytes;
    totals_.truncated += share.truncated;
  }
}

SelectionTable::Figures SelectionTable::figures(const LossesByIndex& now) {
  std::lock_guard lock(mutex_);
  Figures figures = totals_;
  const auto add = [&](const TrackedInterface& tracked) {
    InterfaceFigures one = tracked.figures;
    one.index = tracked.info.index;
    one.generation = tracked.info.generation;
    one.name = tracked.info.name;
    one.present = tracked.present;
    one.selected = tracked.now() == Verdict::Selected;
    if (kernel_ && tracked.present) {
      const std::uint64_t duplicates = kernel_->duplicates(tracked.info.index);
      one.duplicates += duplicates;
      figures.duplicates += duplicates;
    }
    auto accepted = tracked.present && kernel_ ? kernel_->accepted(tracked.info.index) : tracked.receivedBefore;
    if (accepted && tracked.present) *accepted += tracked.inherited;
    if (accepted) one.received = *accepted > tracked.lateRefused ? *accepted - tracked.lateRefused : 0;
    if (tracked.lossesBefore) {
      std::optional<DeviceLosses> latest = tracked.lossesAtEnd;
      if (const auto at = now.find(one.index); tracked.present && at != now.end()) latest = at->second;
      if (latest) one.losses = latest->since(*tracked.lossesBefore);
    }
    figures.interfaces.push_back(std::move(one));
  };
  for (const auto& tracked : gone_) add(*tracked);
  for (const auto& [index, tracked] : byIndex_) {
    if (tracked->present) add(*tracked);
  }
  return figures;
}

}  // namespace ringtap
