#include "core/record/recorder.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace ringtap {

namespace {

using namespace std::chrono_literals;

// Smaller writes cost more per byte; larger ones gain nothing, because the bytes go through the page cache in either
// case.
constexpr std::size_t kFlushBytes = 1u << 20;
constexpr auto kCatchUpPoll = 5ms;
constexpr std::size_t kMaxEvents = 65'536;

}  // namespace

Recorder::Recorder(RecorderOptions options)
    : filter_(std::move(options.filter)), files_(std::move(options.files)), stream_(std::move(options.form)) {}

Result<std::shared_ptr<Recorder>> Recorder::open(RecorderOptions options) {
  std::shared_ptr<Recorder> self(new Recorder(std::move(options)));
  if (auto begun = self->files_.begin(); !begun) return begun.error();
  return self;
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
      [this] {
        std::lock_guard lock(mutex_);
        return droppedOf_;
      },
      context_->speed,
      [this] {
        std::lock_guard lock(mutex_);
        return filter_;
      },
  });
  auto thread = Thread::start("ringtap record", [this] {
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

void Recorder::finish(bool undecided) {
  std::lock_guard lock(mutex_);
  finished_ = true;
  undecided_ = undecided_ || undecided;
  changed_.notify_one();
}

void Recorder::setFilter(std::string expression) {
  std::lock_guard lock(mutex_);
  filter_ = std::move(expression);
}

void Recorder::join() { thread_.join(); }

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
bool Recorder::dropWaiting(const HeldBlock* block) {
  std::unique_lock lock(mutex_);
  const auto dispensable = [this](const Lease& lease) {
    return lease.block().leases() == 1 && lease.taken().epoch <= decided_;
  };
  // The block itself, or else the oldest that takes up memory, if only this recorder holds it.
  auto found = std::find_if(queue_.begin(), queue_.end(), [&](const Lease& lease) { return &lease.block() == block; });
  if (found == queue_.end() || !dispensable(*found)) {
    found = std::find_if(queue_.begin(), queue_.end(),
                         [&](const Lease& lease) { return dispensable(lease) && lease.block().outsideRing(); });
  }
  if (found == queue_.end()) return false;
  Lease lease = std::move(*found);
  queue_.erase(found);
  lock.unlock();
  drop(std::move(lease));
  return true;
}

void Recorder::drop(Lease lease) {
  std::uint64_t dropped = 0;
  std::vector<std::pair<InterfaceId, std::uint32_t>> devices;
  lease.modify([&](std::byte* content, TakenBlock& taken) {
    context_->table.applyVerdicts(content, taken);
    if (!taken.forJavaScript) context_->table.account(taken, SelectionTable::Outcome::DroppedByRecorder);
    taken.recorder = TakenBlock::Recorder::Dropped;
    dropped = taken.summary.packets;
    for (const BlockShare& share : taken.shares) {
      if (share.verdict != Verdict::Unselected) devices.emplace_back(share.device, share.packets);
    }
  });
  std::unique_lock lock(mutex_);
  const bool first = stats_.dropped == 0;
  stats_.dropped += dropped;
  for (const auto& [device, packets] : devices) droppedOf_[device] += packets;
  lock.unlock();
  ++done_;
  if (first) context_->wake();
}

void Recorder::dropAll() {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (queue_.empty()) return;
    Lease lease = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    drop(std::move(lease));
  }
}

bool Recorder::ready() const { return !queue_.empty() && queue_.front().taken().epoch <= decided_; }

Recorder::Clock::time_point Recorder::deadline(bool stopping) const {
  Clock::time_point until = Clock::now() + 1h;
  if (stopping) until = Clock::now() + kCatchUpPoll;
  if (const auto due = stream_.cutDue()) until = std::min(until, *due);
  if (const auto due = files_.syncDue()) until = std::min(until, *due);
  return until;
}

void Recorder::run() {
  (void)flush();                   // makes the file readable from the start
  std::function<bool()> caughtUp;  // of the first stop(); it has state, so it is not copied
  while (!failed_) {
    std::optional<Lease> lease;
    bool idle = true;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      if (!ready()) {
        if (finished_ && (queue_.empty() || undecided_)) break;
        changed_.wait_until(lock, deadline((caughtUp || caughtUp_) && !finished_));
      }
      if (ready()) {
        lease.emplace(std::move(queue_.front()));
        queue_.pop_front();
        idle = !ready();
      }
      if (!caughtUp) caughtUp = std::exchange(caughtUp_, nullptr);
      stopping = caughtUp && !finished_;
    }
    if (const auto due = stream_.cutDue(); due && Clock::now() >= *due) stream_.cut();
    if (lease) {
      write(*lease);
      lease.reset();  // releases the block before waiting for the disk
    }
    if (!stream_.cuts().empty() || idle || stream_.sink().size() >= kFlushBytes) (void)flush();
    if (!failed_) {
      if (auto synced = files_.syncIfDue(); !synced) fail(std::move(synced.error()));
    }
    if (!failed_ && stopping && caughtUp()) {
      context_->detach(*this);
      finish(false);
    }
  }
  context_->detach(*this);
  if (!failed_) {
    dropAll();  // before the last file's statistics, which include these losses
    endFile();
  }
  if (failed_) {
    // Packets that were copied out of blocks but did not reach the disk.
    std::lock_guard lock(mutex_);
    stats_.dropped += stream_.packets() - stats_.packets;
  }
  dropAll();
  ended_ = true;
  context_->wake();
}

void Recorder::write(Lease& lease) {
  lease.modify([this](std::byte* content, TakenBlock& taken) {
    context_->table.applyVerdicts(content, taken);
    if (!taken.forJavaScript) context_->table.account(taken, SelectionTable::Outcome::Delivered);
    taken.recorder = TakenBlock::Recorder::Written;
  });
  lease.read([this](std::byte* content, const TakenBlock& taken) { stream_.add(content, taken); });
  std::unique_lock lock(mutex_);
  const bool first = stats_.otherLinkType == 0 && stream_.otherLinkType() > 0;
  stats_.otherLinkType = stream_.otherLinkType();
  lock.unlock();
  ++done_;
  if (first) context_->wake();
}

// Writes the sink's bytes to the files, each up to its cut.
bool Recorder::flush() {
  std::size_t from = 0;
  for (const auto& cut : std::exchange(stream_.cuts(), {})) {
    if (!bring(from, cut.end, cut.counts) || !complete(cut.counts)) return false;
    from = cut.end;
    if (auto begun = files_.begin(); !begun) {
      fail(std::move(begun.error()));
      return false;
    }
  }
  if (!bring(from, stream_.sink().size(), stream_.counts())) return false;
  stream_.sink().clear();
  return true;
}

// Writes the sink's bytes from `from` to `to`, all of one file. `counts`: the file's counts including them.
bool Recorder::bring(std::size_t from, std::size_t to, const SavefileCounts& counts) {
  if (from == to) return true;
  const std::span<const std::byte> bytes = stream_.sink().bytes().subspan(from, to - from);
  const std::uint64_t before = files_.written();
  auto written = files_.write(bytes);
  if (!written) {
    // Whole blocks or records that are in the file stay.
    const std::size_t length = static_cast<std::size_t>(files_.written() - before);
    const WholePart whole = stream_.format() == SavefileFormat::Pcapng
                                ? wholeBlocks(bytes, length)
                                : wholePcapRecords(bytes, length, before == 0, stream_.nanoseconds());
    (void)!files_.shorten(before + whole.bytes).ok();
    if (whole.packets > 0) {
      const bool first = flushed_.packets == 0;
      flushed_.firstTimestamp = first ? whole.firstTimestamp : std::min(flushed_.firstTimestamp, whole.firstTimestamp);
      flushed_.lastTimestamp = std::max(flushed_.lastTimestamp, whole.lastTimestamp);
    }
    flushed_.packets += whole.packets;
    flushed_.packetBytes += whole.packetBytes;
    flushed_.bytes += whole.bytes;
    {
      std::lock_guard lock(mutex_);
      stats_.packets += whole.packets;
      stats_.packetBytes += whole.packetBytes;
      stats_.bytes += whole.bytes;
    }
    fail(std::move(written.error()));
    return false;
  }
  {
    std::lock_guard lock(mutex_);
    stats_.packets += counts.packets - flushed_.packets;
    stats_.packetBytes += counts.packetBytes - flushed_.packetBytes;
    stats_.bytes += bytes.size();
  }
  flushed_ = counts;
  return true;
}

bool Recorder::complete(const SavefileCounts& counts) {
  auto path = files_.complete();
  flushed_ = {};
  if (!path) {
    fail(std::move(path.error()));
    return false;
  }
  tell(CompleteFile{std::move(*path), counts});
  return true;
}

void Recorder::endFile() {
  if (stream_.sink().size() > 0 && !flush()) return;
  stream_.cut();
  const auto last = stream_.cuts().front();
  // The file was begun in advance, and there are no packets and no losses to write into it.
  const bool silent = last.end == 0 || stream_.format() == SavefileFormat::Pcap;
  if (silent && last.counts.packets == 0 && stats().files > 0) {
    files_.discard();
    return;
  }
  if (bring(0, last.end, last.counts)) (void)complete(last.counts);
}

// Ends the recording. The file keeps its whole blocks or records, and all packets not written to it count as dropped.
void Recorder::fail(Error error) {
  failed_ = true;
  context_->detach(*this);
  const SavefileCounts counts = flushed_;
  if (files_.begun()) {
    if (counts.packets == 0) {
      files_.discard();
    } else if (auto path = files_.complete(); path) {
      tell(CompleteFile{std::move(*path), counts});
    }
  }
  tell(std::move(error));
}

void Recorder::tell(CompleteFile file) {
  {
    std::lock_guard lock(mutex_);
    ++stats_.files;
    completeFiles_.push_back(std::move(file));
    if (completeFiles_.size() > kMaxEvents) completeFiles_.pop_front();
  }
  context_->wake();
}

void Recorder::tell(Error error) {
  {
    std::lock_guard lock(mutex_);
    faults_.push_back(std::move(error));
  }
  context_->wake();
}

std::optional<CompleteFile> Recorder::nextFile() {
  std::lock_guard lock(mutex_);
  if (completeFiles_.empty()) return std::nullopt;
  CompleteFile file = std::move(completeFiles_.front());
  completeFiles_.pop_front();
  return file;
}

std::optional<Error> Recorder::nextFault() {
  std::lock_guard lock(mutex_);
  if (faults_.empty()) return std::nullopt;
  Error error = std::move(faults_.front());
  faults_.pop_front();
  return error;
}

RecorderStats Recorder::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
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
