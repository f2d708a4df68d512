#include "core/ledger/selection_table.h"

#include <algorithm>
#include <utility>

#include "core/ledger/packet_filter.h"
#include "core/util/clock.h"

namespace ringtap {

namespace {

constexpr std::size_t kMaxGone = 1024;

// Whether a change leaves what the rule on duplicates asks as it was.
bool sameStanding(const InterfaceInfo& before, const InterfaceInfo& now) {
  return before.kind == now.kind && before.master == now.master && before.peerIndex == now.peerIndex &&
         before.peerNetnsId == now.peerNetnsId;
}

}  // namespace

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
    if (!tracked->present()) continue;
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

void SelectionTable::track(const InterfaceInfo& info, Verdict verdict, RingPosition refilterUntil,
                           const std::optional<DeviceLosses>& losses) {
  auto tracked = std::make_shared<TrackedInterface>(info, epoch_, verdict, losses);
  tracked->refilterUntil = std::move(refilterUntil);
  tracked->follow(std::exchange(byIndex_[info.index], tracked));
  relationsOld_ = true;
  tellKernel(*tracked);
}

void SelectionTable::add(const InterfaceInfo& info, const std::optional<DeviceLosses>& losses) {
  std::lock_guard lock(mutex_);
  track(info, Verdict::Pending, {}, losses);
}

KernelCounts SelectionTable::countsOf(std::uint32_t index) const {
  return kernel_ ? KernelCounts{kernel_->accepted(index), kernel_->duplicates(index)} : KernelCounts{};
}

void SelectionTable::retire(TrackedInterface& tracked, const std::optional<DeviceLosses>& losses,
                            const RingPosition& ringPosition) {
  if (!tracked.present()) return;
  const KernelCounts counts = countsOf(tracked.info.index);
  tracked.leave(counts, losses, ringPosition);
  totals_.duplicates += counts.duplicates;
  if (kernel_) kernel_->forget(tracked.info.index);
  relationsOld_ = true;
  gone_.push_back(find(tracked.info.index));
  if (gone_.size() <= kMaxGone) return;
  const auto oldest = gone_.front();
  gone_.erase(gone_.begin());
  if (find(oldest->info.index) == oldest) byIndex_.erase(oldest->info.index);
}

void SelectionTable::apply(const std::vector<InterfaceEvent>& events, std::uint64_t time,
                           const RingPosition& ringPosition) {
  std::lock_guard lock(mutex_);
  for (const InterfaceEvent& event : events) {
    ++epoch_;
    const std::uint32_t index = event.current.index;
    const auto tracked = find(index);
    switch (event.change) {
      case InterfaceChange::Added:
        if (tracked) retire(*tracked, {}, ringPosition);
        track(event.current, hotplug_ ? Verdict::Pending : Verdict::Unselected, ringPosition, event.losses);
        break;
      case InterfaceChange::Removed:
        if (tracked && tracked->info.generation == event.current.generation) {
          retire(*tracked, event.losses, ringPosition);
        }
        break;
      case InterfaceChange::Renamed:
      case InterfaceChange::Changed:
        if (!tracked) break;
        if (tracked->info.hardwareType != event.current.hardwareType) tracked->refilterUntil = ringPosition;
        relationsOld_ = relationsOld_ || !sameStanding(tracked->info, event.current);
        tracked->info = event.current;
        if (event.change == InterfaceChange::Renamed && hotplug_) {
          tracked->ask(epoch_, time, event.losses);
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

SelectionTable::Presence SelectionTable::presence(std::uint32_t index) const {
  std::lock_guard lock(mutex_);
  const auto found = byIndex_.find(index);
  if (found == byIndex_.end()) return Presence::None;
  return found->second->present() ? Presence::Present : Presence::Gone;
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
  tracked->answer(epoch, selected);
  relationsOld_ = true;
  if (!tracked->present()) return false;
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

Result<> SelectionTable::replaceAddresses(std::shared_ptr<const AddressFilter> hosts) {
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

void SelectionTable::enforceFilter(const RingPosition& ringPosition) {
  std::lock_guard lock(mutex_);
  enforceUntil_ = ringPosition;
  enforced_ = spec_;
}

Result<> SelectionTable::close(const std::function<Result<>()>& refuseAll) {
  std::lock_guard lock(mutex_);
  closed_ = true;
  return refuseAll();
}

BlockShare SelectionTable::share(std::shared_ptr<TrackedInterface> tracked, std::uint64_t timestamp) const {
  const TrackedInterface::Decision decision = tracked->decisionOn(timestamp);
  BlockShare share;
  share.device = {tracked->info.index, tracked->info.generation};
  share.epoch = decision.epoch;
  share.verdict = decision.verdict;
  share.since = decision.since;
  share.until = decision.until;
  share.interface = std::move(tracked);
  return share;
}

TakenBlock SelectionTable::take(std::byte* block, std::size_t size, std::uint32_t ring, std::uint64_t number,
                                const std::function<void(std::uint32_t)>& onUnknown) {
  TakenBlock taken;
  taken.ring = ring;
  taken.number = number;
  ShareFinder finder(taken.shares);
  std::unique_lock lock(mutex_);
  const auto shareOf = [&](const Record& record) -> BlockShare* {
    const auto index = static_cast<std::uint32_t>(record.from().sll_ifindex);
    auto tracked = find(index);
    // One that has gone may have left packets in the ring; but there may be another with its index by now.
    if (!tracked || !tracked->present()) {
      lock.unlock();
      onUnknown(index);
      lock.lock();
      tracked = find(index);
      if (!tracked) return nullptr;
    }
    const bool refilter = isBefore(tracked->refilterUntil, ring, number) && kernel_->unlistedPassUnfiltered();
    taken.shares.push_back(share(std::move(tracked), record.timestamp()));
    taken.shares.back().refilter = refilter;
    return &taken.shares.back();
  };
  // The eBPF form has judged what it could: it knows more than is said here.
  const bool judge = dedupe_ && form() == FilterMode::Classic;
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
      ++tracked.stats.duplicates;
      ++totals_.duplicates;
      ++tracked.lateRefused;
      ++totals_.lateRefused;
      return false;
    }
    ++tracked.stats.taken;
    if (share->verdict == Verdict::Unselected) {
      ++tracked.stats.unselected;
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
    share.interface->stats.queued += share.packets;
    share.interface->inherit(ring, number, share.records);
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
      --tracked.stats.queued;
      --totals_.queued;
      --tracked.stats.taken;
      ++tracked.lateRefused;
    }
    ++totals_.lateRefused;
    return false;
  });
}

void SelectionTable::settle(std::byte* block, TakenBlock& taken) {
  std::lock_guard lock(mutex_);
  if (taken.accounted) return;
  if (isBefore(enforceUntil_, taken.ring, taken.number)) filterAgain(block, taken);
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

void SelectionTable::account(TakenBlock& taken, Outcome outcome) {
  std::lock_guard lock(mutex_);
  if (std::exchange(taken.accounted, true)) return;
  for (const BlockShare& share : taken.shares) {
    InterfaceStats& stats = share.interface->stats;
    stats.queued -= share.packets;
    totals_.queued -= share.packets;
    if (share.verdict == Verdict::Unselected) {
      stats.unselected += share.packets;
      totals_.unselected += share.packets;
      continue;
    }
    if (outcome == Outcome::DroppedByRecorder) {
      stats.droppedByRecorder += share.packets;
      totals_.droppedByRecorder += share.packets;
      continue;
    }
    stats.delivered += share.packets;
    stats.bytes += share.bytes;
    stats.truncated += share.truncated;
    totals_.delivered += share.packets;
    totals_.bytes += share.bytes;
    totals_.truncated += share.truncated;
  }
}

SelectionTable::Stats SelectionTable::stats(const LossesByIndex& now) {
  std::lock_guard lock(mutex_);
  Stats stats = totals_;
  for (const auto& tracked : gone_) stats.interfaces.push_back(tracked->report({}, {}));
  for (const auto& [index, tracked] : byIndex_) {
    if (!tracked->present()) continue;
    const KernelCounts counts = countsOf(index);
    stats.duplicates += counts.duplicates;
    const auto losses = now.find(index);
    stats.interfaces.push_back(
        tracked->report(counts, losses == now.end() ? std::nullopt : std::optional(losses->second)));
  }
  return stats;
}

}  // namespace ringtap
