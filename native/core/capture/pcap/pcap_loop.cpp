#include "core/capture/pcap/pcap_loop.h"

#include <algorithm>
#include <cstring>

namespace ringtap {

namespace {

constexpr std::uint64_t kNetlink = 0;
constexpr int kPacketsAtOnce = 1024;
constexpr std::chrono::milliseconds kQuiet{1000};  // without a block, after which spare memory is freed

// Half of the delay is spent in the kernel's buffer, half in ours.
std::uint32_t kernelDelay(std::uint32_t delay) { return std::max(1u, delay / 2); }

PcapSettings settingsFor(const PcapOptions& options, const FilterSpec& spec) {
  return {spec.snapshotLength, spec.direction, kernelDelay(options.maxDelayMilliseconds)};
}

bool isKnown(const std::map<std::uint32_t, InterfaceInfo>& interfaces, const std::string& name) {
  return std::any_of(interfaces.begin(), interfaces.end(), [&](const auto& one) {
    const auto& others = one.second.alternativeNames;
    return one.second.name == name || std::find(others.begin(), others.end(), name) != others.end();
  });
}

}  // namespace

PcapLoop::PcapLoop(const PcapOptions& options, const FilterSpec& spec, const IntakeContext& context,
                   std::function<void()> onDrained)
    : options_(options),
      hold_(options.maxDelayMilliseconds - kernelDelay(options.maxDelayMilliseconds)),
      context_(context),
      onDrained_(std::move(onDrained)),
      table_(std::make_shared<PcapTable>(settingsFor(options, spec), spec, options.memory, [this] { nudge(); })),
      drain_(std::chrono::milliseconds(options.maxDelayMilliseconds)) {}

Result<std::unique_ptr<PcapLoop>> PcapLoop::open(const PcapOptions& options, const FilterSpec& spec,
                                                 const IntakeContext& context, std::function<void()> onDrained) {
  std::unique_ptr<PcapLoop> self(new PcapLoop(options, spec, context, std::move(onDrained)));
  if (auto opened = self->thread_.open(); !opened) return std::move(opened.error());
  if (!options.netns.empty()) {
    auto own = Namespace::own();
    if (!own) return std::move(own.error());
    self->namespace_.emplace(std::move(*own));
  }
  for (const std::string& name : options.names) {
    if (isKnown(context.feed.initial(), name)) continue;
    auto opened = self->table_->openDevice(name);
    // Not an error here: the selection reports names that match nothing.
    if (!opened && opened.error().code != Code::NoInterface) return std::move(opened.error());
  }
  return self;
}

PcapLoop::~PcapLoop() {
  stop();
  shut();
}

Result<std::unique_ptr<KernelFilter>> PcapLoop::attach(const FilterSpec&, bool acceptUnlisted) {
  // Each name has at most one interface at a time, so a selection by names needs no memory for more of them.
  return table_->filter(acceptUnlisted && options_.names.empty());
}

Result<> PcapLoop::begin() {
  if (auto watched = thread_.watch(context_.feed.fd(), EPOLLIN | EPOLLET, kNetlink); !watched) return watched;
  if (auto started = thread_.start([this] { run(); }); !started) return started;
  std::unique_lock lock(beginMutex_);
  beginCondition_.wait(lock, [this] { return begun_.has_value(); });
  return *begun_;
}

void PcapLoop::drain() {
  draining_ = true;
  nudge();
}

void PcapLoop::awaitRoom() {
  const std::uint64_t request = rounds_.request();
  nudge();
  rounds_.await(request);
}

// Packets that arrive have room once the handles' buffers were read to their end; while traffic is so heavy that this
// does not happen, once they were read for some rounds.
void PcapLoop::reportRoom() {
  constexpr std::uint32_t kMaxRounds = 64;
  if (!rounds_.wanted()) return;
  if (const std::uint64_t request = rounds_.begin(); request != round_) {
    round_ = request;
    roundsSince_ = 0;
    for (Active& one : active_) one.ready = true;
    nudge();
    return;
  }
  const bool unread = std::any_of(active_.begin(), active_.end(), [](const Active& one) { return one.ready; });
  if (!unread || starved_ || drained_ || ++roundsSince_ == kMaxRounds) rounds_.complete(round_);
}

void PcapLoop::shut() {
  active_.clear();
  table_->closeAll();
}

void PcapLoop::run() {
  Result<> begun;
  if (namespace_) begun = namespace_->enter();
  if (begun) {
    auto failures = follow();
    if (!failures.empty()) begun = std::move(failures.front());
  }
  {
    std::lock_guard lock(beginMutex_);
    begun_ = std::move(begun);
  }
  beginCondition_.notify_all();
  while (!thread_.ending()) {
    wait();
    if (netlinkReady_) readEvents();
    for (Error& failure : follow()) context_.queue.push(std::move(failure));
    readAll();
    handOverIfDue();
    endHandles();
    reportRoom();
    if (draining_ && !drained_) lookForDrain();
  }
  rounds_.end();
}

int PcapLoop::timeout() const {
  int shortest = -1;
  const auto atMost = [&](std::int64_t milliseconds) {
    const int value = static_cast<int>(std::max<std::int64_t>(milliseconds, 0));
    if (shortest < 0 || value < shortest) shortest = value;
  };
  const auto until = [&](Clock::time_point since, std::chrono::milliseconds length) {
    atMost(std::chrono::ceil<std::chrono::milliseconds>(since + length - Clock::now()).count());
  };
  for (const Active& one : active_) {
    if (one.ready && !starved_ && !drained_) atMost(0);
    if (one.source->pollMilliseconds() >= 0 && !starved_) atMost(one.source->pollMilliseconds());
    if (one.ending) atMost(options_.maxDelayMilliseconds);
  }
  if (filledSince_) until(*filledSince_, hold_);
  if (draining_ && !drained_) atMost(drain_.timeout());
  if (context_.overflow->spare() > 0) until(lastBlock_, kQuiet);
  return shortest;
}

void PcapLoop::wait() {
  for (const epoll_event& event : thread_.wait(timeout())) {
    if (event.data.u64 == kNetlink) {
      netlinkReady_ = true;
      continue;
    }
    const auto found =
        std::find_if(active_.begin(), active_.end(), [&](const Active& one) { return one.tag == event.data.u64; });
    if (found != active_.end()) found->ready = true;
  }
  if (context_.overflow->spare() > 0 && Clock::now() - lastBlock_ >= kQuiet) context_.overflow->dropSpares();
  for (Active& one : active_) {
    one.ready = one.ready || one.source->pollMilliseconds() >= 0 || one.ending || draining_;
  }
}

// Packets read before an event belong to the interfaces as they were before it.
void PcapLoop::readEvents() {
  readAll();
  handOver(current_);
  netlinkReady_ = !context_.feed.read();
}

void PcapLoop::add(std::shared_ptr<PcapSource> source) {
  Active active{std::move(source), ++lastTag_, true, std::nullopt};
  if (active.source->fd() >= 0) {
    // One-shot: a handle that cannot be read for lack of room would wake the loop continuously.
    auto watched = thread_.watch(active.source->fd(), EPOLLIN | EPOLLONESHOT, active.tag);
    if (!watched) context_.queue.push(std::move(watched.error()));
  }
  active_.push_back(std::move(active));
}

std::vector<Error> PcapLoop::follow() {
  auto change = table_->follow();
  for (Error& warning : change.warnings) context_.queue.push(std::move(warning));
  for (auto& source : change.opened) add(std::move(source));
  for (const auto& source : change.ending) {
    const auto found =
        std::find_if(active_.begin(), active_.end(), [&](const Active& one) { return one.source == source; });
    if (found == active_.end()) table_->close(source);
    else if (!found->ending) found->ending = Clock::now();
  }
  return std::move(change.failures);
}

// Reads in rounds, so that a busy interface does not delay the others.
void PcapLoop::readAll() {
  for (Active& one : active_) {
    if (!one.ready || drained_) continue;
    if (!makeRoom()) return;
    readOne(one);
  }
}

void PcapLoop::readOne(Active& active) {
  auto read = active.source->read(*this, kPacketsAtOnce);
  if (full_) handOver(full_);
  if (current_ && !current_->filler.empty() && !filledSince_) filledSince_ = Clock::now();
  if (read && *read == PcapSource::Read::More) return;
  active.ready = false;
  if (!read) {
    // If the interface is down or gone, its event reports that.
    if (!isAbsent(read.error()) && !active.ending) context_.queue.push(std::move(read.error()));
    table_->abandon(active.source);
    return;
  }
  if (active.source->fd() >= 0) (void)thread_.rearm(active.source->fd(), EPOLLIN | EPOLLONESHOT, active.tag);
}

std::optional<BlockMemory> PcapLoop::takeMemory() {
  do {
    if (auto memory = BlockMemory::take(context_.overflow, kPcapBlockSize)) return memory;
  } while (context_.outlet.dropWaiting());
  return std::nullopt;
}

// Makes room for a packet of any length. Returns false if the overflow memory is used up.
bool PcapLoop::makeRoom() {
  if (!current_) current_ = std::move(spare_);
  for (auto* block : {&current_, &spare_}) {
    if (*block) continue;
    auto memory = takeMemory();
    if (!memory && current_ && !current_->filler.empty()) {
      handOver(current_);  // this shrinks the block to its content
      return makeRoom();
    }
    const bool starved = !memory;
    if (starved != starved_) {
      starved_ = starved;
      dropCauses_.setStarved(starved, [this] { return table_->statistics().drops; });
    }
    if (starved) return false;
    *block = std::make_unique<Filling>(std::move(*memory));
  }
  return true;
}

bool PcapLoop::put(const RecordHead& head, const FilledPacket& packet, std::span<const std::uint8_t> tail) {
  static_assert(BlockFiller::capacity(kPcapBlockSize) >= kMaxSnapshotLength);
  if (!current_->filler.add(head, packet, tail)) {
    full_ = std::move(current_);
    current_ = std::move(spare_);
    (void)current_->filler.add(head, packet, tail);  // an empty block has room for any packet
  }
  return spare_ != nullptr;
}

void PcapLoop::handOver(std::unique_ptr<Filling>& block) {
  if (!block || block->filler.empty()) return;
  filledSince_.reset();
  const std::unique_ptr<Filling> done = std::move(block);
  const std::size_t used = done->filler.seal();
  const std::uint64_t number = ++blocksTaken_;
  lastBlock_ = Clock::now();
  // A handle is opened only on an interface that the table has.
  TakenBlock taken = context_.table.take(done->memory.data(), used, {0, number},
                                         [this](std::uint32_t onUnknown) { context_.feed.learn(onUnknown); });
  const std::uint64_t packets = taken.records;
  if (taken.summary.packets > 0) {
    done->memory.shrink((used + 7) / 8 * 8);  // JavaScript reads whole 64-bit words
    context_.outlet.push(std::make_shared<CopiedBlock>(std::move(done->memory), std::move(taken)));
  }
  packetsTaken_ += packets;
}

void PcapLoop::handOverIfDue() {
  if (filledSince_ && Clock::now() - *filledSince_ >= hold_) handOver(current_);
}

// The kernel delivers the last packets of a handle after the handle's delay.
void PcapLoop::endHandles() {
  const auto delay = std::chrono::milliseconds(2 * options_.maxDelayMilliseconds);
  const auto now = Clock::now();
  const auto over = [&](const Active& one) {
    return one.ending && now - *one.ending >= delay &&
           (one.source->allRead() || now - *one.ending >= 100 * delay + std::chrono::seconds(1));
  };
  for (const Active& one : active_) {
    if (!over(one)) continue;
    handOver(current_);
    if (one.source->fd() >= 0) thread_.unwatch(one.source->fd());
    table_->close(one.source);
  }
  std::erase_if(active_, over);
}

void PcapLoop::lookForDrain() {
  bool allRead = true;
  for (const Active& one : active_) allRead = allRead && one.source->allRead();
  if (allRead) handOver(current_);
  const auto state = drain_.look(allRead);
  if (state == DrainWatch::State::Waiting) return;
  drained_ = true;
  handOver(current_);
  current_.reset();
  spare_.reset();
  if (state == DrainWatch::State::Overdue) {
    context_.queue.push(Error{Code::System, "libpcap did not hand over all packets in time after the stop"});
  }
  onDrained_();
}

// The packets in the handles' buffers may fill blocks only by half; one more block per handle is added as a margin.
RingPosition PcapLoop::ringPosition() const {
  const IntakeSize now = size();
  return {blocksTaken_ + 2 * now.memory / kPcapBlockSize + now.count + 2};
}

std::vector<std::uint64_t> PcapLoop::entered() const {
  const PcapStatistics sum = table_->statistics();
  return {sum.received - sum.drops};
}

LoopStats PcapLoop::stats() {
  PcapStatistics sum;
  const auto drops = dropCauses_.split([&] {
    sum = table_->statistics();
    return sum.drops;
  });
  return {sum.received, drops.ring, drops.overflow, 0, 0};
}

IntakeSize PcapLoop::size() const { return {table_->memoryUsed(), table_->handles(), kPcapBlockSize, 0}; }

}  // namespace ringtap
