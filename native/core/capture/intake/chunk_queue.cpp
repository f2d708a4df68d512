#include "core/capture/intake/chunk_queue.h"

namespace ringtap {

namespace {

constexpr std::size_t kMaxEvents = 65536;
constexpr std::size_t kMaxFaults = 64;

}  // namespace

void ChunkQueue::push(Lease lease) {
  std::unique_lock lock(mutex_);
  blocks_.push_back(std::move(lease));
  ++pushed_;
  if (!armed_) return;
  armed_ = false;
  lock.unlock();
  wake_();
}

void ChunkQueue::push(QueuedEvent event) {
  std::unique_lock lock(mutex_);
  events_.push_back(std::move(event));
  if (woken_) return;
  woken_ = true;
  lock.unlock();
  wake_();
}

void ChunkQueue::push(Error fault) {
  std::unique_lock lock(mutex_);
  if (faults_.size() < kMaxFaults) faults_.push_back(std::move(fault));
  if (woken_) return;
  woken_ = true;
  lock.unlock();
  wake_();
}

void ChunkQueue::finish() {
  {
    std::lock_guard lock(mutex_);
    finished_ = true;
    armed_ = false;
  }
  wake_();
}

bool ChunkQueue::finished() const {
  std::lock_guard lock(mutex_);
  return finished_;
}

bool ChunkQueue::crowded() const {
  std::lock_guard lock(mutex_);
  return events_.size() >= kMaxEvents;
}

std::optional<QueuedEvent> ChunkQueue::nextEvent() {
  std::lock_guard lock(mutex_);
  woken_ = false;
  if (events_.empty()) return std::nullopt;
  QueuedEvent event = std::move(events_.front());
  events_.pop_front();
  seenEpoch_ = event.event.epoch;
  return event;
}

std::optional<Error> ChunkQueue::nextFault() {
  std::lock_guard lock(mutex_);
  woken_ = false;
  if (faults_.empty()) return std::nullopt;
  Error fault = std::move(faults_.front());
  faults_.pop_front();
  return fault;
}

bool ChunkQueue::hasEvents() const {
  std::lock_guard lock(mutex_);
  return !events_.empty() || !faults_.empty();
}

ChunkQueue::Next ChunkQueue::nextBlock(std::optional<Lease>& out) {
  std::lock_guard lock(mutex_);
  if (blocks_.empty()) {
    if (finished_) return Next::Finished;
    armed_ = true;
    return Next::Empty;
  }
  if (blocks_.front().taken().epoch > seenEpoch_) return Next::EventsFirst;
  out.emplace(std::move(blocks_.front()));
  blocks_.pop_front();
  return Next::Block;
}

std::optional<Lease> ChunkQueue::takeOldest(std::uint64_t epoch) {
  std::lock_guard lock(mutex_);
  if (blocks_.empty() || blocks_.front().taken().epoch > epoch) return std::nullopt;
  Lease oldest = std::move(blocks_.front());
  blocks_.pop_front();
  return oldest;
}

void ChunkQueue::restore(std::deque<Lease> blocks) {
  std::lock_guard lock(mutex_);
  pushed_ += blocks.size();
  for (; !blocks.empty(); blocks.pop_back()) blocks_.push_front(std::move(blocks.back()));
}

std::uint64_t ChunkQueue::seenEpoch() const {
  std::lock_guard lock(mutex_);
  return seenEpoch_;
}

std::uint64_t ChunkQueue::pushed() const {
  std::lock_guard lock(mutex_);
  return pushed_;
}

std::uint64_t ChunkQueue::givenOut() const {
  std::lock_guard lock(mutex_);
  return pushed_ - blocks_.size();
}

void ChunkQueue::clear() {
  std::deque<Lease> blocks;
  std::lock_guard lock(mutex_);
  blocks.swap(blocks_);
  events_.clear();
}

}  // namespace ringtap
