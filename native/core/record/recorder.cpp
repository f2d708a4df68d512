#include "core/record/recorder.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <utility>
#include <vector>

#include "core/util/clock.h"

namespace ringtap {

namespace {

using namespace std::chrono_literals;

// Smaller writes cost more per byte; larger ones gain nothing, because the bytes go through the page cache in either
// case.
constexpr std::size_t kFlushBytes = 1u << 20;
// For which a packet waits until the sockets have been read since it was received, at most.
constexpr auto kOwnersWait = 1s;
constexpr auto kOwnersPoll = 5ms;

}  // namespace

Recorder::Recorder(RecorderOptions options, std::shared_ptr<RecordingTarget> target)
    : filter_(std::move(options.filter)),
      target_(std::move(target)),
      threadName_(options.thread),
      secondary_(options.secondary),
      stream_(std::move(options.form)),
      output_(stream_, *target_, [this] { context_->wake(); }) {
  if (options.owners) owners_.emplace(std::move(options.owners));
}

Recorder::~Recorder() {
  start();
  join();
}

Result<> Recorder::prepare(Context context) {
  context_.emplace(std::move(context));
  stream_.start({
                    context_->book,
                    context_->inRing,
                    [this] { return lost(); },
                    context_->speed,
                    [this] {
                      std::lock_guard lock(mutex_);
                      return filter_;
                    },
                    context_->reductions,
                    owners_ ? &*owners_ : nullptr,
                },
                context_->sinceOpening);
  auto thread = Thread::start(threadName_, [this] {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return started_; });
    }
    run();
  });
  if (!thread) return std::move(thread.error());
  thread_ = std::move(*thread);
  return {};
}

void Recorder::start() {
  std::lock_guard lock(mutex_);
  started_ = true;
  changed_.notify_one();
}

void Recorder::stop(std::function<bool()> caughtUp) {
  std::lock_guard lock(mutex_);
  if (!caughtUp_) caughtUp_ = std::move(caughtUp);
  changed_.notify_one();
}

void Recorder::mark(Clock::time_point from, std::function<bool()> caughtUp, std::function<void()> reached) {
  RecorderMarks::Mark mark{from, std::move(caughtUp), std::move(reached)};
  {
    std::lock_guard lock(mutex_);
    if (marks_.add(mark)) {
      changed_.notify_one();
      return;
    }
  }
  mark.reached();
}

void Recorder::finish(bool undecided) {
  std::lock_guard lock(mutex_);
  finished_ = true;
  undecided_ = undecided_ || undecided;
  abandoned_ = abandoned_ || (undecided && !target_->lasting());
  if (undecided) target_->hurry();
  changed_.notify_one();
}

void Recorder::abandon() {
  std::lock_guard lock(mutex_);
  finished_ = true;
  abandoned_ = true;
  changed_.notify_one();
}

std::deque<Lease> Recorder::takeWaiting() {
  std::lock_guard lock(mutex_);
  pushed_ -= queue_.size();
  return std::exchange(queue_, {});
}

void Recorder::resume() {
  std::lock_guard lock(mutex_);
  changed_.notify_one();
}

void Recorder::setFilter(std::string expression) {
  std::lock_guard lock(mutex_);
  filter_ = std::move(expression);
}

void Recorder::addSecrets(std::span<const std::uint8_t> lines) {
  std::lock_guard lock(mutex_);
  if (ended_) return;
  secrets_.insert(secrets_.end(), lines.begin(), lines.end());
  changed_.notify_one();
}

void Recorder::takeSecrets() {
  std::vector<std::uint8_t> lines;
  {
    std::lock_guard lock(mutex_);
    lines.swap(secrets_);
  }
  if (!lines.empty()) stream_.addSecrets(lines);
}

void Recorder::join() {
  thread_.join();
  bool abandoned = false;
  {
    std::lock_guard lock(mutex_);
    abandoned = abandoned_;
  }
  // Here, and not on the thread, which may have ended long before abandon() and left complete batches in the target.
  if (abandoned) retract(target_->takeBack());
}

void Recorder::push(Lease lease) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(lease));
  ++pushed_;
  changed_.notify_one();
}

void Recorder::decided(std::uint64_t epoch) {
  std::lock_guard lock(mutex_);
  decided_ = epoch;
  changed_.notify_one();
}

// Blocks with undecided packets stay: their loss cannot be counted yet, and they do not wait for the disk.
bool Recorder::dropWaiting(const HeldBlock* block, std::uint32_t readers) {
  std::unique_lock lock(mutex_);
  const auto dispensable = [this, readers](const Lease& lease) {
    return lease.block().leases() <= readers && lease.taken().epoch <= decided_;
  };
  // The block itself, or else the oldest that takes up memory, if only this recorder holds it.
  auto found = std::find_if(queue_.begin(), queue_.end(), [&](const Lease& lease) { return &lease.block() == block; });
  if (found == queue_.end() || !dispensable(*found)) {
    found = std::find_if(queue_.begin(), queue_.end(),
                         [&](const Lease& lease) { return dispensable(lease) && lease.block().outsideRing(); });
  }
  if (found == queue_.end()) return false;
  Lease lease = leave(static_cast<std::size_t>(found - queue_.begin()));
  lock.unlock();
  drop(std::move(lease));
  return true;
}

void Recorder::drop(Lease lease) {
  std::uint64_t dropped = 0;
  std::vector<std::pair<InterfaceId, std::uint32_t>> devices;
  lease.modify([&](std::byte* content, TakenBlock& taken) {
    context_->table.applyVerdicts(content, taken);
    using Outcome = Ledger::Outcome;
    if (!taken.forJavaScript && responsible(taken)) {
      const bool recorded = taken.recorder == TakenBlock::Recorder::Written;  // by an earlier recorder
      const Outcome lost = target_->lasting() ? Outcome::DroppedByRecorder : Outcome::DroppedByOverflow;
      context_->table.account(taken, recorded ? Outcome::Delivered : lost);
    }
    // Another secondary recorder may have written it.
    if (responsible(taken) && taken.recorder == TakenBlock::Recorder::Pending) {
      taken.recorder = TakenBlock::Recorder::Dropped;
    }
    dropped = taken.summary.packets;
    for (const BlockShare& share : taken.shares) {
      if (share.verdict != Verdict::Unselected) devices.emplace_back(share.device, share.packets);
    }
  });
  std::unique_lock lock(mutex_);
  const bool first = dropped_ == 0;
  dropped_ += dropped;
  for (const auto& [device, packets] : devices) droppedOf_[device] += packets;
  lock.unlock();
  ++done_;
  if (first) context_->wake();
}

void Recorder::dropAll() {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (queue_.empty()) return;
    Lease lease = leave(0);
    lock.unlock();
    drop(std::move(lease));
  }
}

bool Recorder::ready() const {
  return !queue_.empty() && queue_.front().taken().epoch <= decided_ && target_->hasRoom();
}

Recorder::Clock::time_point Recorder::deadline(bool stopping) const {
  Clock::time_point until = Clock::now() + 1h;
  if (stopping) until = Clock::now() + RecorderMarks::kPoll;
  if (const auto due = stream_.cutDue()) until = std::min(until, *due);
  if (const auto due = target_->workDue()) until = std::min(until, *due);
  if (const auto due = marks_.due()) until = std::min(until, *due);
  return until;
}

// Takes a block out of the queue.
Lease Recorder::leave(std::size_t at) {
  marks_.blockLeft(at);
  Lease lease = std::move(queue_[at]);
  queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(at));
  return lease;
}

void Recorder::passMarks() {
  std::list<RecorderMarks::Mark> passed;
  {
    std::unique_lock lock(mutex_);
    passed = marks_.takeReached(lock, [this] { return queue_.size(); });
  }
  if (passed.empty()) return;
  if (stream_.counts().packets > 0 || target_->takesEmpty()) stream_.cut();
  flush();
  for (const RecorderMarks::Mark& mark : passed) mark.reached();
  marksPassed_ += passed.size();
  context_->wake();
}

void Recorder::passAllMarks() {
  std::list<RecorderMarks::Mark> passed;
  {
    std::lock_guard lock(mutex_);
    passed = marks_.end();
  }
  for (const RecorderMarks::Mark& mark : passed) mark.reached();
}

void Recorder::run() {
  flush();                         // makes the file readable from the start
  std::function<bool()> caughtUp;  // of the first stop(); it has state, so it is not copied
  bool abandoned = false;
  while (!failed_ && !abandoned) {
    std::optional<Lease> lease;
    bool idle = true;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      if (!ready()) {
        if (finished_ && (queue_.empty() || undecided_)) break;
        changed_.wait_until(lock, deadline((caughtUp || caughtUp_) && !finished_));
      }
      abandoned = abandoned_;
      if (abandoned) break;
      if (ready()) {
        lease.emplace(leave(0));
        idle = !ready();
      }
      if (!caughtUp) caughtUp = std::exchange(caughtUp_, nullptr);
      stopping = caughtUp && !finished_;
    }
    takeSecrets();
    if (const auto due = stream_.cutDue(); due && Clock::now() >= *due) stream_.cut();
    if (lease) {
      awaitOwners(*lease);
      write(*lease);
      lease.reset();  // releases the block before waiting for the disk
    }
    if (!stream_.cuts().empty() || idle || stream_.sink().size() >= kFlushBytes) flush();
    if (!failed_) passMarks();
    if (!failed_) {
      if (auto done = target_->work(); !done) fail(std::move(done.error()));
    }
    if (!failed_ && stopping && caughtUp()) {
      context_->detach(*this);
      finish(false);
    }
  }
  context_->detach(*this);
  if (!failed_ && !abandoned) {
    takeSecrets();
    dropAll();  // before the last file's statistics, which include these losses
    endFile();
  }
  if (failed_ || abandoned) giveUp();
  if (!abandoned) dropAll();
  passAllMarks();
  ended_ = true;
  context_->wake();
}

// Holds a block back, until the sockets have been read since its packets were received, if more may be known of their
// owners then. Not while memory is short.
void Recorder::awaitOwners(Lease& lease) {
  if (!owners_) return;
  bool complete = true;
  std::uint64_t last = 0;
  lease.read([&](std::byte* content, const TakenBlock& taken) {
    complete = owners_->complete(content, taken.summary);
    last = taken.summary.lastTimestamp;
  });
  if (complete) return;
  const std::uint64_t now = realNow();
  const std::chrono::nanoseconds age(now > last ? now - last : 0);
  const Clock::time_point until = Clock::now() + kOwnersWait - std::min<std::chrono::nanoseconds>(age, kOwnersWait);
  owners_->ask();
  while (!owners_->knows(last) && !lease.block().crowded() && Clock::now() < until) {
    std::unique_lock lock(mutex_);
    if (abandoned_ || undecided_) return;
    changed_.wait_for(lock, kOwnersPoll);
  }
}

void Recorder::write(Lease& lease) {
  lease.modify([this](std::byte* content, TakenBlock& taken) {
    context_->table.applyVerdicts(content, taken);
    if (!responsible(taken)) return;
    if (!taken.forJavaScript) context_->table.account(taken, Ledger::Outcome::Delivered);
    taken.recorder = TakenBlock::Recorder::Written;
  });
  lease.read([this](std::byte* content, const TakenBlock& taken) { stream_.add(content, taken); });
  std::unique_lock lock(mutex_);
  const bool first = otherLinkType_ == 0 && stream_.otherLinkType() > 0;
  otherLinkType_ = stream_.otherLinkType();
  lock.unlock();
  ++done_;
  if (first) context_->wake();
}

void Recorder::flush() {
  if (auto done = output_.flush(); !done) fail(std::move(done.error()));
}

void Recorder::endFile() {
  if (auto done = output_.end(); !done) fail(std::move(done.error()));
}

// Ends the recording. Packets that did not reach the target count as dropped: see giveUp().
void Recorder::fail(Error error) {
  failed_ = true;
  context_->detach(*this);
  target_->fail();
  {
    std::lock_guard lock(mutex_);
    faults_.push_back(std::move(error));
  }
  context_->wake();
}

// Counts the packets that were copied out of blocks and did not reach the target.
void Recorder::giveUp() {
  if (target_->lasting()) {
    std::lock_guard lock(mutex_);
    dropped_ += stream_.packets() - target_->counts().packets;
    return;
  }
  stream_.cut();
  for (const RecordingStream::Cut& cut : stream_.cuts()) retract(cut.devices);
}

void Recorder::retract(const std::vector<DeviceTally>& devices) {
  if (devices.empty()) return;
  std::uint64_t packets = 0;
  for (const auto& [device, tally] : devices) {
    context_->table.retract(device, tally.packets, tally.bytes, tally.truncated);
    packets += tally.packets;
  }
  std::lock_guard lock(mutex_);
  dropped_ += packets;
}

// Packets lost outside of the ring, by device.
std::map<InterfaceId, std::uint64_t> Recorder::lost() const {
  if (target_->lasting()) {
    std::lock_guard lock(mutex_);
    return droppedOf_;
  }
  std::map<InterfaceId, std::uint64_t> lost;
  for (const InterfaceStats& one : context_->table.stats().interfaces) {
    lost[{one.index, one.generation}] = one.droppedByOverflow;
  }
  return lost;
}

std::optional<Error> Recorder::nextFault() {
  std::lock_guard lock(mutex_);
  if (faults_.empty()) return std::nullopt;
  Error error = std::move(faults_.front());
  faults_.pop_front();
  return error;
}

RecorderStats Recorder::stats() const {
  RecorderStats stats{target_->counts()};
  std::lock_guard lock(mutex_);
  stats.dropped = dropped_;
  stats.otherLinkType = otherLinkType_;
  return stats;
}

std::uint64_t Recorder::pushed() const {
  std::lock_guard lock(mutex_);
  return pushed_;
}

std::size_t Recorder::waiting() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace ringtap
