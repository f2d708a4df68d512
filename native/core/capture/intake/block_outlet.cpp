#include "core/capture/intake/block_outlet.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

#include "core/record/recorder.h"

namespace ringtap {

void BlockOutlet::push(std::shared_ptr<HeldBlock> block) {
  std::lock_guard lock(mutex_);
  if (!read()) {
    queue_.push(Lease(std::move(block)));
    return;
  }
  // All leases first: that of one reader may end before the next one receives the block.
  std::optional<Lease> recorders;
  std::vector<std::pair<Recorder*, Lease>> secondaries;
  if (recording_) recorders.emplace(block);
  for (const Secondary& one : secondaries_) {
    if (one.receives) secondaries.emplace_back(one.recorder.get(), Lease(block));
  }
  block->modify([this](std::byte*, TakenBlock& taken) {
    taken.forJavaScript = listening_;
    taken.recorded = recording_;
  });
  if (listening_) queue_.push(Lease(std::move(block)));
  if (recorders) recorder_->push(std::move(*recorders));
  for (auto& [recorder, lease] : secondaries) recorder->push(std::move(lease));
}

bool BlockOutlet::dropWaiting(const HeldBlock* block) {
  if (dropUnread()) return true;
  const auto secondaries = this->secondaries();
  const auto readers = static_cast<std::uint32_t>(secondaries.size() + 1);
  for (const auto& secondary : secondaries) {
    if (secondary->dropWaiting(block, readers)) return true;
  }
  const auto recorder = this->recorder();
  return recorder && recorder->dropWaiting(block, 1);
}

bool BlockOutlet::dropUnread() {
  std::optional<Lease> oldest;
  {
    std::lock_guard lock(mutex_);
    if (!read() || listening_) return false;
    oldest = queue_.takeOldest(decided_);
  }
  if (!oldest) return false;
  oldest->modify([&](std::byte* content, TakenBlock& taken) {
    using Outcome = Ledger::Outcome;
    if (taken.recorder == TakenBlock::Recorder::Pending && oldest->block().leases() > 1) {
      taken.forJavaScript = false;  // a recorder will account for it
      return;
    }
    table_.applyVerdicts(content, taken);
    const bool written = taken.recorder == TakenBlock::Recorder::Written;
    table_.account(taken, written ? Outcome::Delivered : Outcome::DroppedByOverflow);
  });
  return true;
}

void BlockOutlet::attach(std::shared_ptr<Recorder> recorder, bool queued) {
  std::shared_ptr<Recorder> last;  // released after the lock
  std::lock_guard lock(mutex_);
  last = std::exchange(recorder_, std::move(recorder));
  recording_ = true;
  recorder_->decided(decided_);
  if (!queued) return;
  while (auto lease = queue_.takeOldest(std::numeric_limits<std::uint64_t>::max())) {
    lease->modify([](std::byte*, TakenBlock& taken) {
      taken.forJavaScript = false;
      taken.recorded = true;
    });
    recorder_->push(std::move(*lease));
  }
}

void BlockOutlet::restore(Recorder& recorder) {
  std::lock_guard lock(mutex_);
  std::deque<Lease> waiting = recorder.takeWaiting();
  for (Lease& lease : waiting) {
    lease.modify([](std::byte*, TakenBlock& taken) {
      taken.forJavaScript = true;
      taken.recorded = false;
    });
  }
  queue_.restore(std::move(waiting));
}

void BlockOutlet::attachSecondary(std::shared_ptr<Recorder> secondary) {
  std::vector<Secondary> ended;  // released after the lock
  std::lock_guard lock(mutex_);
  const auto first = std::stable_partition(secondaries_.begin(), secondaries_.end(),
                                           [](const Secondary& one) { return !one.recorder->ended(); });
  ended.assign(std::make_move_iterator(first), std::make_move_iterator(secondaries_.end()));
  secondaries_.erase(first, secondaries_.end());
  secondary->decided(decided_);
  secondaries_.push_back({std::move(secondary)});
}

void BlockOutlet::detach(const Recorder& recorder) {
  std::lock_guard lock(mutex_);
  if (recorder_.get() == &recorder) recording_ = false;
  for (Secondary& one : secondaries_) {
    if (one.recorder.get() == &recorder) one.receives = false;
  }
}

std::shared_ptr<Recorder> BlockOutlet::recorder() const {
  std::lock_guard lock(mutex_);
  return recorder_;
}

std::vector<std::shared_ptr<Recorder>> BlockOutlet::secondaries() const {
  std::vector<std::shared_ptr<Recorder>> list;
  std::lock_guard lock(mutex_);
  for (const Secondary& one : secondaries_) {
    if (!one.recorder->ended()) list.push_back(one.recorder);
  }
  return list;
}

bool BlockOutlet::read() const {
  return recording_ ||
         std::any_of(secondaries_.begin(), secondaries_.end(), [](const Secondary& one) { return one.receives; });
}

void BlockOutlet::listen(bool listening) {
  std::lock_guard lock(mutex_);
  listening_ = listening;
}

bool BlockOutlet::decided(std::uint64_t epoch) {
  std::lock_guard lock(mutex_);
  if (epoch <= decided_) return false;
  decided_ = epoch;
  if (recorder_) recorder_->decided(epoch);
  for (const Secondary& one : secondaries_) one.recorder->decided(epoch);
  return recorder_ || !secondaries_.empty();
}

}  // namespace ringtap
