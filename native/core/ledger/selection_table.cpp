#include "core/ledger/selection_table.h"

#include <algorithm>
#include <utility>

#include "core/ledger/packet_filter.h"
#include "core/util/clock.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

constexpr std::size_t kMaxGone = 1024;
// As many as the book of interfaces keeps.
constexpr std::size_t kMaxLeaving = 4096;

}  // namespace

void SelectionTable::use(std::unique_ptr<KernelFilter> kernel, std::function<RingPosition()> reached) {
  std::lock_guard lock(mutex_);
  kernel_.use(std::move(kernel));
  reached_ = std::move(reached);
  for (const auto& [index, tracked] : byIndex_) {
    kernel_.set(*tracked);
    tracked->relation = {};
  }
  relations_.invalidate();
  updateRelations({});
}

FilterMode SelectionTable::filterMode() const {
  std::lock_guard lock(mutex_);
  return kernel_.filterMode();
}

SelectionTable::Interface SelectionTable::find(std::uint32_t index) {
  const auto found = byIndex_.find(index);
  return found == byIndex_.end() ? nullptr : found->second;
}

SelectionTable::Interface SelectionTable::find(InterfaceId device) {
  if (auto latest = find(device.index); latest && latest->info().id() == device) return latest;
  const auto before =
      std::find_if(gone_.rbegin(), gone_.rend(), [&](const Interface& one) { return one->info().id() == device; });
  return before == gone_.rend() ? nullptr : *before;
}

std::optional<bool> SelectionTable::selects(const InterfaceInfo& info) const {
  return selection_ ? std::optional(selection_->selects(info)) : std::nullopt;
}

TrackedInterface& SelectionTable::track(const InterfaceDescription& interface, std::uint64_t epoch,
                                        const std::optional<DeviceLosses>& losses) {
  const auto tracked = std::make_shared<TrackedInterface>(interface, epoch, Verdict::Pending, losses);
  TrackedInterface::follow(tracked, std::exchange(byIndex_[interface->index], tracked));
  relations_.invalidate();
  return *tracked;
}

Verdict SelectionTable::add(const InterfaceDescription& interface, const std::optional<DeviceLosses>& losses) {
  std::lock_guard lock(mutex_);
  TrackedInterface& tracked = track(interface, 0, losses);
  if (const auto selected = selects(*interface)) tracked.verdicts.answer(0, *selected);
  kernel_.set(tracked);
  return tracked.verdicts.now();
}

void SelectionTable::retire(const Interface& tracked, const std::optional<DeviceLosses>& losses,
                            const RingPosition& position) {
  if (!tracked->present()) return;
  const std::uint32_t index = tracked->info().index;
  const KernelCounts counts = kernel_.counts(index);
  tracked->leave(counts, losses, position);
  ledger_.add(counts);
  kernel_.forget(index);
  relations_.invalidate();
  gone_.push_back(tracked);
  if (gone_.size() <= kMaxGone) return;
  leaving_.push_back(gone_.front());
  gone_.pop_front();
  while (!leaving_.empty() && (leaving_.size() > kMaxLeaving || hasNoPackets(*leaving_.front()))) {
    const Interface oldest = leaving_.front();
    leaving_.pop_front();
    if (find(oldest->info().index) == oldest) byIndex_.erase(oldest->info().index);
  }
}

// Whether the rings are beyond the last packets of a removed device.
bool SelectionTable::hasNoPackets(const TrackedInterface& removed) const {
  for (std::size_t ring = 0; ring < removed.leftAt().size(); ++ring) {
    if (ring >= taken_.size() || taken_[ring] <= removed.leftAt()[ring]) return false;
  }
  return true;
}

// A newly selected interface is accepted before packets of other interfaces count as its duplicates; a deselected one
// is refused only after they have ceased to. In between a packet is delivered twice rather than never.
//
// `unfiltered`: until now the kernel may have accepted packets of the interface to which it did not apply the filter.
// How far they reach in the rings is asked only when the verdict is in force: other rings may have gone on since `now`.
void SelectionTable::setInKernel(TrackedInterface& tracked, const Moment& now, bool unfiltered) {
  if (tracked.verdicts.now() == Verdict::Unselected && (tracked.relation.flags & kDedupeTaken) != 0) {
    updateRelations(now);
  }
  unfiltered = unfiltered || kernel_.passesUnfiltered(tracked.info().index);
  kernel_.set(tracked);
  if (unfiltered && kernel_.unlistedPassUnfiltered()) tracked.refilterUntil = reached_();
}

std::optional<bool> SelectionTable::applyAdded(const BookedEvent& event, const Moment& now) {
  if (const auto before = find(event.current->index)) retire(before, {}, now.position);
  TrackedInterface& tracked = track(event.current, event.epoch, event.losses);
  const std::optional<bool> selected = hotplug_ ? selects(*event.current) : false;
  if (selected) tracked.verdicts.answer(event.epoch, *selected);
  setInKernel(tracked, now, true);
  return selected;
}

std::optional<bool> SelectionTable::applyChanged(const BookedEvent& event, const Moment& now) {
  const auto tracked = find(event.current->index);
  if (!tracked) return std::nullopt;
  const bool retyped = tracked->info().hardwareType != event.current->hardwareType;
  relations_.changed(tracked->info(), *event.current);
  tracked->description = event.current;
  if (event.losses) tracked->updateLosses(*event.losses);
  std::optional<bool> selected;
  const bool reconsider = event.change == InterfaceChange::Renamed ||
                          (selection_ && event.previous && selection_->dependsOn(*event.previous, *event.current));
  if (reconsider && hotplug_) {
    tracked->verdicts.ask(event.epoch, event.from, event.losses);
    selected = selects(*event.current);
    if (selected) tracked->verdicts.answer(event.epoch, *selected);
    relations_.invalidate();
  }
  setInKernel(*tracked, now, retyped);
  return selected;
}

std::vector<SelectionTable::Applied> SelectionTable::apply(const std::vector<BookedEvent>& events, const Moment& now) {
  std::lock_guard lock(mutex_);
  std::vector<Applied> applied;
  applied.reserve(events.size());
  for (const BookedEvent& event : events) {
    epoch_ = event.epoch;
    Applied& outcome = applied.emplace_back();
    switch (event.change) {
      case InterfaceChange::Added: outcome.selected = applyAdded(event, now); break;
      case InterfaceChange::Removed:
        if (const auto tracked = find(event.current->index); tracked && tracked->info().id() == event.current->id()) {
          retire(tracked, event.losses, now.position);
        }
        break;
      case InterfaceChange::Renamed:
      case InterfaceChange::Changed: outcome.selected = applyChanged(event, now); break;
    }
  }
  updateRelations(now);
  // If the kernel refuses a new program, the old one stays in force, and the next commit() reports the error.
  (void)kernel_.commit();
  return applied;
}

bool SelectionTable::decide(InterfaceId device, std::uint64_t epoch, bool selected, const Moment& now) {
  std::lock_guard lock(mutex_);
  // The index may belong to a new device by now; packets of the old one still wait for this verdict.
  const auto tracked = find(device);
  if (!tracked) return false;
  tracked->verdicts.answer(epoch, selected);
  relations_.invalidate();
  if (!tracked->present()) return false;
  setInKernel(*tracked, now);
  return true;
}

bool SelectionTable::knows(std::uint32_t index) {
  std::lock_guard lock(mutex_);
  return find(index) != nullptr;
}

bool SelectionTable::isPresent(InterfaceId device) {
  std::lock_guard lock(mutex_);
  const auto tracked = find(device);
  return tracked && tracked->present();
}

std::vector<std::uint16_t> SelectionTable::linkTypes() const {
  std::lock_guard lock(mutex_);
  std::vector<std::uint16_t> list;
  for (const auto& [index, tracked] : byIndex_) {
    const InterfaceInfo& info = tracked->info();
    if (tracked->present()) list.push_back(info.linkType.value_or(linkTypeOf(info.hardwareType)));
  }
  return list;
}

Result<> SelectionTable::commit(const Moment& now) {
  std::lock_guard lock(mutex_);
  updateRelations(now);
  return kernel_.commit();
}

Result<> SelectionTable::replaceFilter(const FilterSpec& spec) {
  std::lock_guard lock(mutex_);
  FilterSpec next = spec;
  next.addresses = spec_.addresses;
  next.connections = spec_.connections;
  next.sample = spec_.sample;
  return replace(std::move(next));
}

Result<> SelectionTable::replaceAddresses(std::shared_ptr<const AddressFilter> addresses) {
  return replacePart([&](FilterSpec& next) { next.addresses = std::move(addresses); });
}

Result<> SelectionTable::replaceConnections(std::shared_ptr<const ConnectionFilter> connections) {
  return replacePart([&](FilterSpec& next) { next.connections = std::move(connections); });
}

Result<> SelectionTable::replaceSample(std::shared_ptr<const SampleFilter> sample) {
  return replacePart([&](FilterSpec& next) { next.sample = std::move(sample); });
}

template <typename Change>
Result<> SelectionTable::replacePart(Change&& change) {
  std::lock_guard lock(mutex_);
  FilterSpec next = spec_;
  change(next);
  return replace(std::move(next));
}

Result<> SelectionTable::replace(FilterSpec spec) {
  if (auto replaced = kernel_.replace(spec); !replaced) return replaced;
  if (reached_) replacedAt_ = {realNow(), reached_()};  // before use() nothing was received
  spec_ = std::move(spec);
  sampled_ = sampled_ || spec_.sample != nullptr;
  return {};
}

Reduction SelectionTable::reduction() const {
  std::lock_guard lock(mutex_);
  return reductionOf(spec_);
}

Result<> SelectionTable::mark(const Connection& connection, CutoffMark mark) {
  std::lock_guard lock(mutex_);
  return kernel_.mark(connection, mark);
}

void SelectionTable::enforceFilter() {
  std::lock_guard lock(mutex_);
  refilter_.enforce(spec_, replacedAt_);
}

Result<> SelectionTable::close(const std::function<Result<>()>& refuseAll) {
  std::lock_guard lock(mutex_);
  return kernel_.close(refuseAll);
}

// Adds a share, for a packet that is the block's first of its interface or under its verdict. Null if its device cannot
// be determined.
BlockShare* SelectionTable::shareOf(const Record& record, TakenBlock& taken, std::unique_lock<std::mutex>& lock,
                                    const std::function<void(std::uint32_t)>& onUnknown) {
  const auto index = static_cast<std::uint32_t>(record.from().sll_ifindex);
  auto tracked = find(index);
  // A device that was removed or is down may have left packets in the ring. But its index may belong to another device
  // by now, or it may be up again under another name: events that were not read yet decide.
  if (!tracked || !tracked->present() || !tracked->info().isUp()) {
    lock.unlock();
    onUnknown(index);
    lock.lock();
    tracked = find(index);
    if (!tracked) return nullptr;
  }
  const PacketVerdict verdict = tracked->verdicts.on(taken.number, record.timestamp());
  BlockShare& share = taken.shares.emplace_back();
  share.device = tracked->info().id();
  share.epoch = verdict.epoch;
  share.verdict = verdict.verdict;
  share.since = verdict.since;
  share.until = verdict.until;
  share.refilter = kernel_.passesUnfiltered(index) ||
                   (kernel_.unlistedPassUnfiltered() && isBefore(tracked->refilterUntil, taken.number));
  share.interface = std::move(tracked);
  return &share;
}

// Applies the filter, the sampling, the slice and the snapshot length to a packet that the kernel has let pass without
// them.
bool SelectionTable::acceptsLate(TrackedInterface& tracked, Record& record) {
  const Judgement judgement = judge(spec_, record);
  if (judgement == Judgement::Accepted) {
    cut(spec_, record);
    return true;
  }
  if (judgement == Judgement::SampledOut) ledger_.refuseSampledOut(tracked.counts);
  else ledger_.refuse(tracked.counts);
  return false;
}

TakenBlock SelectionTable::take(std::byte* block, std::size_t size, BlockNumber number,
                                const std::function<void(std::uint32_t)>& onUnknown) {
  TakenBlock taken;
  taken.number = number;
  ShareFinder finder(taken.shares);
  std::unique_lock lock(mutex_);
  if (taken_.size() <= number.ring) taken_.resize(number.ring + 1);
  taken_[number.ring] = number.number;
  // In eBPF mode the kernel has refused duplicates already, with information that user space does not have.
  const bool judge = relations_.enabled() && kernel_.filterMode() == FilterMode::Classic;
  taken.summary = walkBlock(block, size, [&](Record& record) {
    ++taken.records;
    BlockShare* share = finder.find(record);
    if (share == nullptr && (share = shareOf(record, taken, lock, onUnknown)) == nullptr) return false;
    TrackedInterface& tracked = *share->interface;
    ++share->records;
    if (share->refilter && !acceptsLate(tracked, record)) return false;
    if (judge && tracked.relatedFrom.isBehind(number, record.timestamp()) &&
        duplicateByTopology(tracked.relation, record)) {
      ledger_.refuseDuplicate(tracked.counts);
      return false;
    }
    ++tracked.counts.stats.taken;
    if (share->verdict == Verdict::Unselected) {
      ledger_.leaveOut(tracked.counts);
      return false;
    }
    ++share->packets;
    share->truncated += record.truncated() ? 1 : 0;
    share->bytes += record.header->tp_snaplen;
    return true;
  });
  taken.records += taken.summary.malformed;
  ledger_.queue(taken);
  for (const BlockShare& share : taken.shares) {
    taken.pending = taken.pending || share.verdict == Verdict::Pending;
    share.interface->counts.inherit(number, share.records);
  }
  taken.epoch = epoch_;
  return taken;
}

void SelectionTable::applyVerdicts(std::byte* block, TakenBlock& taken) {
  std::lock_guard lock(mutex_);
  if (taken.accounted) return;
  if (refilter_.concerns(taken)) refilter_.apply(block, taken, ledger_);
  if (!taken.pending) return;
  for (BlockShare& share : taken.shares) {
    if (share.verdict != Verdict::Pending) continue;
    // A verdict that is still pending will never be given. The packets are delivered, so that none is lost.
    const Verdict verdict = share.interface->verdicts.at(share.epoch);
    share.verdict = verdict == Verdict::Unselected ? Verdict::Unselected : Verdict::Selected;
  }
  ShareFinder finder(taken.shares);
  taken.summary = thinIndex(block, taken.summary, [&](Record& record) {
    const BlockShare* share = finder.find(record);
    return share != nullptr && share->verdict != Verdict::Unselected;
  });
  taken.pending = false;
}

void SelectionTable::account(TakenBlock& taken, Ledger::Outcome outcome) {
  std::lock_guard lock(mutex_);
  if (!std::exchange(taken.accounted, true)) ledger_.enter(taken, outcome);
}

void SelectionTable::retract(InterfaceId device, std::uint64_t packets, std::uint64_t bytes, std::uint64_t truncated) {
  std::lock_guard lock(mutex_);
  const auto tracked = find(device);
  ledger_.retract(tracked ? &tracked->counts : nullptr, packets, bytes, truncated);
}

SelectionTable::Stats SelectionTable::stats(const DeviceLines* lines) {
  std::lock_guard lock(mutex_);
  Stats stats{ledger_.totals()};
  stats.sampledOutKnown = !sampled_ || kernel_.filterMode() != FilterMode::Classic;
  for (const auto& tracked : gone_) stats.interfaces.push_back(tracked->report({}));
  for (const auto& [index, tracked] : byIndex_) {
    if (!tracked->present()) continue;
    const KernelCounts counts = kernel_.counts(index);
    stats.duplicates += counts.duplicates;
    stats.beyondCutoff += counts.beyondCutoff;
    stats.sampledOut += counts.sampledOut;
    const DeviceLine* line = nullptr;
    if (lines != nullptr) {
      // By name: after a rename whose event is still to be read, the line is missing, or another device's for once.
      if (const auto found = lines->find(tracked->info().name); found != lines->end()) line = &found->second;
    }
    stats.interfaces.push_back(tracked->report(counts, line));
  }
  return stats;
}

void SelectionTable::updateLosses(const ReportedLosses& losses) {
  std::lock_guard lock(mutex_);
  for (const auto& [index, tracked] : byIndex_) {
    if (!tracked->present() || tracked->addedAt() > losses.epoch) continue;
    const auto found = losses.byIndex.find(index);
    tracked->updateLosses(found == losses.byIndex.end() ? std::nullopt : std::optional(found->second));
  }
}

bool SelectionTable::needsLosses(bool lines) {
  std::lock_guard lock(mutex_);
  return std::any_of(byIndex_.begin(), byIndex_.end(),
                     [lines](const auto& one) { return one.second->needsLosses(lines); });
}

}  // namespace ringtap
