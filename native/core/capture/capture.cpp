#include "core/capture/capture.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "core/capture/pcap/pcap_loop.h"
#include "core/capture/ring/ring_intake.h"
#include "core/links/link_speed.h"

namespace ringtap {

std::optional<std::uint64_t> CaptureStats::lost(const InterfaceStats& one) const {
  if (!one.received) return std::nullopt;
  // If nothing was lost, packets not taken yet are still in the ring.
  const std::uint64_t inKernel = lossy() && *one.received > one.taken ? *one.received - one.taken : 0;
  return inKernel + one.droppedByOverflow;
}

void CaptureStats::countRingAsQueued() {
  const std::uint64_t accounted = taken + loops.ringDrops + loops.overflowDrops;
  if (accounted >= loops.packets) return;
  table.queued += loops.packets - accounted;
  if (lossy()) return;
  for (InterfaceStats& one : table.interfaces) {
    if (one.received) one.queued += *one.received - std::min(one.taken, *one.received);
  }
}

Capture::Capture(const CaptureConfig& config, InterfaceMonitor monitor, netlink::Requester counters,
                 std::function<void()> wake)
    : config_(config),
      counters_(std::make_shared<netlink::Requester>(std::move(counters))),
      table_(config.filter, config.hotplug, config.dedupe, config.selection),
      reductions_(table_.reduction()),
      queue_(wake),
      wake_(std::move(wake)),
      outlet_(queue_, table_),
      feed_(std::move(monitor), *book_, table_, queue_,
            {.now = [this] { return now(); },
             .resynced = [this] { promiscuity_.renew(); },
             .decided =
                 [this](std::uint64_t epoch) {
                   if (config_.selection && outlet_.decided(epoch)) overflow_->retryRefused();
                 }}),
      overflow_(std::make_shared<OverflowMemory>(config.overflowMemory)),
      promiscuity_([this](std::uint32_t index, bool on) { return intake_->setPromiscuous(index, on); }) {}

Result<std::unique_ptr<Capture>> Capture::open(const CaptureConfig& config, InterfaceMonitor monitor,
                                               std::function<void()> wake) {
  auto counters = netlink::Requester::open();
  if (!counters) return std::move(counters.error());
  std::unique_ptr<Capture> self(new Capture(config, std::move(monitor), std::move(*counters), std::move(wake)));
  if (auto opened = self->openIntake(); !opened) return std::move(opened.error());
  self->overflow_->onRoom([capture = self.get()] { capture->intake_->nudge(); });
  self->addInitial();
  return self;
}

void Capture::addInitial() {
  auto losses = counters_->losses();
  const auto add = [&](const InterfaceInfo& info) {
    std::optional<DeviceLosses> before;
    if (losses && losses->contains(info.index)) before = losses->find(info.index)->second;
    InitialInterface one{book_->add(info), std::nullopt};
    if (const Verdict verdict = table_.add(one.interface, before); verdict != Verdict::Pending) {
      one.selected = verdict == Verdict::Selected;
      follow(info.id(), *one.selected);
    }
    initial_.push_back(std::move(one));
  };
  for (const auto& [index, info] : feed_.initial()) add(info);
  for (const InterfaceInfo& device : intake_->devices()) add(device);  // their indexes are above all others
}

Result<> Capture::openIntake() {
  const IntakeContext context{table_, queue_, outlet_, feed_, overflow_};
  const auto take = [this](auto opened) -> Result<> {
    if (!opened) return std::move(opened.error());
    intake_ = std::move(*opened);
    return {};
  };
  const auto onDrained = [this] {
    if (const auto recorder = outlet_.recorder()) recorder->finish(false);
    for (const auto& secondary : outlet_.secondaries()) secondary->finish(false);
    queue_.finish();
  };
  switch (config_.backend) {
    case Backend::Pcap: return take(PcapLoop::open(config_.pcap, config_.filter, context, onDrained));
    case Backend::Ring: break;
  }
  return take(RingIntake::open(config_.ring, config_.layout, config_.filterMode, {config_.dedupe, config_.cutoff},
                               context, onDrained));
}

Capture::~Capture() { close(); }

Result<> Capture::start() {
  auto kernel = intake_->attach(config_.filter, config_.hotplug);
  if (!kernel) return std::move(kernel.error());
  table_.use(std::move(*kernel), [this] { return intake_->ringPosition(); });
  // The table holds them; a second reference would keep replaced sets in memory.
  config_.filter.addresses.reset();
  config_.filter.connections.reset();
  if (auto committed = table_.commit({}); !committed) return committed;
  return intake_->begin();
}

void Capture::decide(InterfaceId device, std::uint64_t epoch, bool selected) {
  if (table_.decide(device, epoch, selected, now())) follow(device, selected);
}

void Capture::follow(InterfaceId device, bool selected) {
  intake_->setCaptured(device.index, selected);
  if (!config_.promiscuous) return;
  if (auto followed = promiscuity_.follow(device, selected); !followed) queue_.push(std::move(followed.error()));
}

Result<> Capture::commit() {
  if (auto committed = table_.commit(now()); !committed) return committed;
  return intake_->commit();
}

std::optional<QueuedEvent> Capture::nextEvent() {
  // The caller decides each event before it takes the next one.
  if (outlet_.decided(queue_.seenEpoch())) overflow_->retryRefused();
  auto queued = queue_.nextEvent();
  if (!queued) {
    if (feed_.resumed()) intake_->nudge();
    return queued;
  }
  const InterfaceId device = queued->event.current->id();
  if (queued->event.change == InterfaceChange::Removed) {
    intake_->setCaptured(device.index, false);
    promiscuity_.forget(device);
  } else if (queued->selected && table_.isPresent(device)) {
    follow(device, *queued->selected);
  }
  return queued;
}

ChunkQueue::Next Capture::nextBlock(std::optional<Lease>& out) {
  for (;;) {
    const auto next = queue_.nextBlock(out);
    if (next != ChunkQueue::Next::Block) return next;
    out->modify([this](std::byte* content, TakenBlock& taken) { table_.handOut(content, taken); });
    if (out->taken().summary.packets > 0) return next;
    out.reset();
  }
}

std::vector<std::uint16_t> Capture::linkTypes() const {
  std::vector<std::uint16_t> list = table_.linkTypes();
  const std::vector<std::uint16_t> handles = intake_->linkTypes();
  list.insert(list.end(), handles.begin(), handles.end());
  return list;
}

Result<> Capture::setFilter(const FilterSpec& spec, const std::string& expression) {
  if (auto replaced = table_.replaceFilter(spec); !replaced) return replaced;
  expression_ = expression;
  if (recorder_) recorder_->setFilter(expression);
  if (flight_) flight_->setFilter(expression);
  if (server_) server_->setFilter(expression);
  filterReplaced();
  return {};
}

Result<> Capture::setAddresses(std::shared_ptr<const AddressFilter> addresses) {
  if (auto replaced = table_.replaceAddresses(std::move(addresses)); !replaced) return replaced;
  resetDrained();
  return {};
}

Result<> Capture::setConnections(std::shared_ptr<const ConnectionFilter> connections) {
  if (auto replaced = table_.replaceConnections(std::move(connections)); !replaced) return replaced;
  resetDrained();
  return {};
}

Result<> Capture::setSample(std::shared_ptr<const SampleFilter> sample) {
  if (auto replaced = table_.replaceSample(std::move(sample)); !replaced) return replaced;
  filterReplaced();
  return {};
}

void Capture::filterReplaced() {
  reductions_.change(table_.reduction(), now());
  resetDrained();
}

void Capture::resetDrained() {
  oldInLoops_ = intake_->entered();
  oldInQueue_.reset();
  oldInRecorder_ = 0;
}

bool Capture::oldFilterDrained() {
  if (!oldInQueue_) {
    const auto taken = intake_->taken();
    for (std::size_t i = 0; i < oldInLoops_.size(); ++i) {
      if (taken[i] < oldInLoops_[i]) return false;
    }
    oldInQueue_ = queue_.pushed();
    if (recorder_) oldInRecorder_ = recorder_->pushed();
  }
  // For a recording that began in the meantime this waits for more blocks than necessary, but not for long.
  const bool recorded = !recorder_ || recorder_->done() >= std::min(oldInRecorder_, recorder_->pushed());
  return recorded && queue_.givenOut() >= *oldInQueue_;
}

Recorder::Context Capture::recorderContext(bool sinceOpening) {
  return {
      table_,
      *book_,
      [this] { return losses(); },
      [this](const std::string& name) { return linkSpeed(counters_->fd(), name); },
      [this](const Recorder& one) { outlet_.detach(one); },
      wake_,
      sinceOpening,
      &reductions_,
  };
}

Result<> Capture::attach(std::shared_ptr<Recorder>& slot, std::shared_ptr<Recorder> secondary, std::string inUse) {
  if (slot && !slot->ended()) return Error{Code::Option, std::move(inUse)};
  if (draining_ || closed_) return Error{Code::Closed, "the capture was stopped"};
  if (slot) slot->join();
  if (auto prepared = secondary->prepare(recorderContext(false)); !prepared) return prepared;
  slot = std::move(secondary);
  outlet_.decided(config_.selection ? book_->epoch() : queue_.seenEpoch());
  outlet_.attachSecondary(slot);
  slot->start();
  intake_->awaitRoom();
  return {};
}

Result<> Capture::fly(std::shared_ptr<Recorder> flight) {
  return attach(flight_, std::move(flight), "this capture has a flight recorder");
}

Result<> Capture::serve(std::shared_ptr<Recorder> server) {
  return attach(server_, std::move(server), "this capture has a server");
}

void Capture::endServer() {
  if (!server_) return;
  server_->stop(caughtUp(std::chrono::steady_clock::now() + maxDelay(), "a server"));
}

void Capture::endFlight() {
  if (!flight_) return;
  outlet_.detach(*flight_);
  flight_->finish(false);
}

void Capture::markFlight(std::chrono::milliseconds after, std::function<void()> reached) {
  const auto from = std::chrono::steady_clock::now() + after + maxDelay();
  flight_->mark(from, caughtUp(from, "a dump of the flight recorder"), std::move(reached));
}

void Capture::markRecording() {
  if (!recorder_) return;
  const auto from = std::chrono::steady_clock::now() + maxDelay();
  recorder_->mark(from, caughtUp(from, "a file of a recording"), [] {});
}

Result<> Capture::record(std::shared_ptr<Recorder> recorder) {
  if (recorder_ && !recorder_->ended()) return Error{Code::Option, "a recording of this capture is under way"};
  if (draining_ || closed_) return Error{Code::Closed, "the capture was stopped"};
  if (recorder_) recorder_->join();
  if (expression_) recorder->setFilter(*expression_);  // the filter was replaced while the first file was created
  outlet_.decided(config_.selection ? book_->epoch() : queue_.seenEpoch());
  auto prepared = recorder->prepare(recorderContext(!recorder->lasting() && !batched_));
  if (!prepared) return prepared;
  recorder_ = std::move(recorder);
  batched_ = batched_ || !recorder_->lasting();
  outlet_.attach(recorder_, !recorder_->lasting());
  recorder_->start();
  intake_->awaitRoom();
  return {};
}

void Capture::endBatches() {
  if (!recorder_ || recorder_->lasting()) return;
  outlet_.detach(*recorder_);
  recorder_->abandon();
  recorder_->join();
  outlet_.restore(*recorder_);
}

void Capture::listen(bool listening) {
  outlet_.listen(listening);
  if (!listening) overflow_->retryRefused();  // during a recording, waiting blocks may be dropped now
}

void Capture::stopRecording() {
  if (!recorder_) return;
  recorder_->stop(caughtUp(std::chrono::steady_clock::now() + maxDelay(), "a recording"));
}

std::chrono::milliseconds Capture::maxDelay() const {
  return std::chrono::milliseconds(config_.backend == Backend::Pcap ? config_.pcap.maxDelayMilliseconds
                                                                    : config_.ring.maxDelayMilliseconds);
}

// A packet that passed the filter on another processor may not be counted yet; it will be within one block timeout,
// which `from` contains.
std::function<bool()> Capture::caughtUp(std::chrono::steady_clock::time_point from, std::string what) {
  using Clock = std::chrono::steady_clock;
  // As with a drain: a loop may wait for memory held by JavaScript, which must not delay the end indefinitely.
  const auto overdue = from + 100 * maxDelay() + std::chrono::seconds(1);
  std::vector<std::uint64_t> wanted;
  return [this, from, overdue, what = std::move(what), wanted]() mutable {
    if (Clock::now() < from) return false;
    if (Clock::now() >= overdue) {
      queue_.push(Error{Code::System, what + " was stopped before all that had been received was handed over"});
      return true;
    }
    if (wanted.empty()) wanted = intake_->entered();
    const std::vector<std::uint64_t> taken = intake_->taken();
    return std::equal(taken.begin(), taken.end(), wanted.begin(), wanted.end(), std::greater_equal<>());
  };
}

// Counts for each device only certain losses: packets accepted and not taken may still be in the kernel's memory.
Losses Capture::losses() {
  const std::vector<std::uint64_t> taken = intake_->taken();
  const SelectionTable::Stats table = table_.stats();
  const LoopStats loops = intake_->stats();
  Losses losses;
  losses.inRing = loops.ringDrops + loops.overflowDrops;
  losses.causes = {loops.ringDrops, loops.overflowDrops + table.droppedByOverflow, table.malformed};
  losses.byDevice = table_.filterMode() != FilterMode::Classic;
  if (!losses.byDevice || losses.inRing == 0) return losses;
  const std::uint64_t entered = loops.packets - losses.inRing;
  const std::uint64_t inKernel = entered - std::min(entered, std::reduce(taken.begin(), taken.end()));
  for (const InterfaceStats& one : table.interfaces) {
    const std::uint64_t missing = one.received.value_or(0) - std::min(one.taken, one.received.value_or(0));
    if (missing > inKernel) losses.ofDevice[{one.index, one.generation}] = missing - inKernel;
  }
  return losses;
}

void Capture::drain() {
  if (draining_.exchange(true)) return;
  auto refused = table_.close([this] { return intake_->refuseAll(); });
  if (!refused) queue_.push(std::move(refused.error()));
  intake_->drain();
}

void Capture::close() {
  if (closed_.exchange(true)) return;
  overflow_->onRoom({});
  if (!intake_) return;
  // What comes from here on is refused, so that it does not count as lost while the threads end.
  (void)table_.close([this] { return intake_->refuseAll(); });
  intake_->stop();
  for (const auto& recorder : {recorder_, flight_, server_}) {
    if (!recorder) continue;
    recorder->finish(true);
    recorder->join();
  }
  final_ = stats();
  final_.countRingAsQueued();
  queue_.clear();
  intake_->shut();
}

CaptureStats Capture::stats() {
  const auto lines = deviceTable_.read();
  CaptureStats all = stats(lines ? &*lines : nullptr);
  all.softnet = softnet_.stats();
  return all;
}

std::function<Result<ReportedLosses>()> Capture::lossReader() {
  if (!table_.needsLosses(deviceTable_.available())) return nullptr;
  return [counters = counters_, epoch = book_->epoch()]() -> Result<ReportedLosses> {
    auto losses = counters->losses();
    if (!losses) return std::move(losses.error());
    return ReportedLosses{epoch, std::move(*losses)};
  };
}

std::function<std::vector<HardwareTimestamps>()> Capture::timestampReader(std::vector<std::string> names) const {
  return [counters = counters_, names = std::move(names)] {
    std::vector<HardwareTimestamps> states;
    states.reserve(names.size());
    for (const std::string& name : names) states.push_back(hardwareTimestampsOf(counters->fd(), name));
    return states;
  };
}

std::optional<CaptureStats> Capture::ledgerAfter(std::uint64_t packets) {
  if (intake_->stats().packets == packets) return std::nullopt;
  return stats(nullptr);
}

CaptureStats Capture::stats(const DeviceLines* lines) {
  CaptureStats stats;
  for (const std::uint64_t one : intake_->taken()) stats.taken += one;
  // The loops' counters last: they then include everything the table has counted.
  stats.table = table_.stats(lines);
  stats.loops = intake_->stats();
  stats.settled = stats.taken == stats.loops.packets - stats.loops.ringDrops - stats.loops.overflowDrops;
  stats.received = stats.loops.packets - stats.table.lateRefused;
  stats.overflowUsed = overflow_->used();
  stats.monitorOverflows = feed_.overflows();
  stats.size = intake_->size();
  stats.filterMode = table_.filterMode();
  return stats;
}

}  // namespace ringtap
