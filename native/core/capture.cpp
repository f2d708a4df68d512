#include "core/capture.h"

#include <linux/filter.h>

namespace ringtap {

std::optional<std::uint64_t> CaptureFigures::lost(const InterfaceFigures& one) const {
  if (!one.received) return std::nullopt;
  // Without a loss, what is not taken yet is still in the ring.
  const bool lossy = loops.ringDrops + loops.overflowDrops + table.malformed > 0;
  return lossy && *one.received > one.taken ? *one.received - one.taken : 0;
}

Capture::Capture(const CaptureConfig& config, InterfaceMonitor monitor, netlink::Requester counters,
                 std::function<void()> wake)
    : config_(config),
      counters_(std::move(counters)),
      table_(config.filter, config.hotplug, config.dedupe),
      queue_(std::move(wake)),
      feed_(std::move(monitor), table_, queue_, {[this] { return horizon(); }, [this] { renewMemberships(); }}),
      overflow_(std::make_shared<OverflowMemory>(config.overflowMemory)) {}

Result<std::unique_ptr<Capture>> Capture::open(const CaptureConfig& config, InterfaceMonitor monitor,
                                               std::function<void()> wake) {
  auto counters = netlink::Requester::open();
  if (!counters) return std::move(counters.error());
  std::unique_ptr<Capture> self(new Capture(config, std::move(monitor), std::move(*counters), std::move(wake)));
  RingOptions options = config.ring;
  for (std::uint32_t number = 0; number < config.ringCount; ++number) {
    auto ring = Ring::open(options);
    if (!ring) return ring.error();
    options.blockCount = (*ring)->blockCount();  // what was too much once is not asked for again
    self->rings_.push_back(*ring);
    self->loops_.push_back(std::make_unique<RingLoop>(
        number, std::move(*ring), RingLoop::Rooms{self->table_, self->queue_, self->feed_, self->overflow_},
        config.ring.retireMilliseconds, [capture = self.get()] {
          if (--capture->undrained_ == 0) capture->queue_.finish();
        }));
  }
  self->overflow_->onRoom([capture = self.get()] { capture->nudge(); });
  auto losses = self->counters_.losses();
  for (const auto& [index, info] : self->feed_.initial()) {
    std::optional<DeviceLosses> before;
    if (losses && losses->contains(index)) before = losses->find(index)->second;
    self->table_.add(info, before);
  }
  return self;
}

Capture::~Capture() { close(); }

Result<> Capture::start() {
  // Rings can only be grouped once they receive: until they are, none accepts anything.
  if (rings_.size() > 1) {
    if (auto refused = refuseAll(); !refused) return refused;
    std::uint16_t group = 0;
    for (const auto& ring : rings_) {
      if (auto bound = ring->bind(0); !bound) return bound;
      auto joined = ring->joinFanout(group);
      if (!joined) return joined.error();
      group = *joined;
    }
  }
  auto kernel = KernelFilter::attach(config_.filter, config_.hotplug, config_.form, config_.dedupe, rings_);
  if (!kernel) return kernel.error();
  table_.use(std::move(*kernel));
  config_.filter.hosts.reset();  // the table's: it may be replaced, and its memory is wanted back then
  if (auto committed = table_.commit(); !committed) return committed;
  if (rings_.size() == 1) {
    if (auto bound = rings_.front()->bind(0); !bound) return bound;
  }
  for (const auto& loop : loops_) {
    if (auto started = loop->start(); !started) return started;
  }
  return {};
}

void Capture::decide(std::uint32_t index, std::uint32_t generation, std::uint64_t epoch, bool selected) {
  const bool known = table_.decide(index, generation, epoch, selected);
  if (!config_.promiscuous || !known) return;
  std::lock_guard lock(promiscuousMutex_);
  if (selected == promiscuous_.contains(index)) return;
  for (std::uint32_t times = selected ? 1 : promiscuous_[index]; times > 0; --times) {
    if (auto set = rings_.front()->setPromiscuous(index, selected); !set) {
      if (set.error().number != ENODEV) queue_.push(std::move(set.error()));  // gone in the meantime: nothing to tell
      return;
    }
  }
  if (selected) promiscuous_.emplace(index, 1);
  else promiscuous_.erase(index);
}

// The kernel ends a membership when the device leaves the namespace (af_packet.c, packet_dev_mclist_delete). Where the
// news of that were lost, the device may be back as if nothing had been. A membership that still stands is counted once
// more, and nothing changes for the device.
void Capture::renewMemberships() {
  std::lock_guard lock(promiscuousMutex_);
  for (auto& [index, times] : promiscuous_) {
    if (rings_.front()->setPromiscuous(index, true)) ++times;  // else it is gone, and its removal is on its way
  }
}

std::optional<QueuedEvent> Capture::nextEvent() {
  auto event = queue_.nextEvent();
  if (event && event->event.change == InterfaceChange::Removed) {
    std::lock_guard lock(promiscuousMutex_);
    promiscuous_.erase(event->event.current.index);  // the membership went with the device
  }
  if (!event && feed_.resumed()) nudge();
  return event;
}

ChunkQueue::Next Capture::nextBlock(std::optional<Lease>& out) {
  for (;;) {
    const auto next = queue_.nextBlock(out);
    if (next != ChunkQueue::Next::Block) return next;
    out->settle([this](std::byte* content, TakenBlock& taken) { table_.handOut(content, taken); });
    if (out->taken().summary.packets > 0) return next;
    out.reset();
  }
}

Result<> Capture::refuseAll() {
  const FilterInstruction nothing{BPF_RET | BPF_K, 0, 0, 0};
  for (const auto& ring : rings_) {
    if (auto attached = ring->attach({&nothing, 1}); !attached) return attached;
  }
  return {};
}

Result<> Capture::setFilter(const FilterSpec& spec) {
  if (auto replaced = table_.replaceFilter(spec); !replaced) return replaced;
  unsettle();
  return {};
}

Result<> Capture::setHosts(std::shared_ptr<const HostFilter> hosts) {
  if (auto replaced = table_.replaceHosts(std::move(hosts)); !replaced) return replaced;
  unsettle();
  return {};
}

void Capture::unsettle() {
  oldInRings_.clear();
  oldInQueue_.reset();
  for (const auto& loop : loops_) oldInRings_.push_back(loop->entered());
}

bool Capture::filterSettled() {
  if (!oldInQueue_) {
    for (std::size_t i = 0; i < oldInRings_.size(); ++i) {
      if (loops_[i]->taken() < oldInRings_[i]) return false;
    }
    oldInQueue_ = queue_.pushed();
  }
  return queue_.givenOut() >= *oldInQueue_;
}

void Capture::drain() {
  if (draining_.exchange(true)) return;
  undrained_ = static_cast<std::uint32_t>(loops_.size());
  if (auto refused = table_.close([this] { return refuseAll(); }); !refused) queue_.push(std::move(refused.error()));
  for (const auto& loop : loops_) loop->drain();
}

void Capture::close() {
  if (closed_.exchange(true)) return;
  overflow_->onRoom({});
  for (const auto& loop : loops_) loop->stop();
  queue_.clear();
  for (const auto& ring : rings_) ring->shut();
}

CaptureFigures Capture::figures() {
  // Where the kernel does not tell, the figures are absent.
  auto losses = counters_.losses();
  CaptureFigures all = figures(losses ? *losses : LossesByIndex{});
  all.softnet = softnet_.figures();
  return all;
}

std::optional<CaptureFigures> Capture::ledgerAfter(std::uint64_t packets) {
  std::uint64_t now = 0;
  for (const auto& loop : loops_) now += loop->figures().packets;
  if (now == packets) return std::nullopt;
  return figures(LossesByIndex{});
}

CaptureFigures Capture::figures(const LossesByIndex& losses) {
  CaptureFigures figures;
  std::uint64_t taken = 0;
  for (const auto& loop : loops_) taken += loop->taken();
  // The rings' counters last: what the table has is then part of them.
  figures.table = table_.figures(losses);
  for (const auto& loop : loops_) {
    const LoopFigures one = loop->figures();
    figures.loops.packets += one.packets;
    figures.loops.ringDrops += one.ringDrops;
    figures.loops.overflowDrops += one.overflowDrops;
    figures.loops.freezes += one.freezes;
    figures.loops.evicted += one.evicted;
  }
  figures.settled = taken == figures.loops.packets - figures.loops.ringDrops - figures.loops.overflowDrops;
  figures.received = figures.loops.packets - figures.table.lateRefused;
  figures.overflowUsed = overflow_->used();
  figures.monitorOverflows = feed_.overflows();
  return figures;
}

std::uint32_t Capture::blockCount() const {
  std::uint32_t count = 0;
  for (const auto& ring : rings_) count += ring->blockCount();
  return count;
}

void Capture::nudge() {
  for (const auto& loop : loops_) loop->nudge();
}

Horizon Capture::horizon() const {
  Horizon horizon;
  for (const auto& loop : loops_) horizon.push_back(loop->horizon());
  return horizon;
}

}  // namespace ringtap
