#include "core/capture/intake/block_outlet.h"

#include <optional>
#include <utility>

#include "core/record/recorder.h"

namespace ringtap {

void BlockOutlet::push(std::shared_ptr<HeldBlock> block) {
  std::lock_guard lock(mutex_);
  if (!recording_) {
    queue_.push(Lease(std::move(block)));
    return;
  }
  // The recorder's lease first: the queue's may end before the recorder receives the block.
  Lease first(block);
  if (listening_) queue_.push(Lease(block));
  else block->modify([](std::byte*, TakenBlock& taken) { taken.forJavaScript = false; });
  recorder_->push(std::move(first));
}

bool BlockOutlet::dropWaiting(const HeldBlock* block) {
  if (dropUnread()) return true;
  const auto recorder = this->recorder();
  return recorder && recorder->dropWaiting(block);
}

bool BlockOutlet::dropUnread() {
  std::optional<Lease> oldest;
  {
    std::lock_guard lock(mutex_);
    if (!recording_ || listening_) return false;
    oldest = queue_.takeOldest(decided_);
  }
  if (!oldest) return false;
  oldest->modify([&](std::byte* content, TakenBlock& taken) {
    using Outcome = SelectionTable::Outcome;
    if (taken.recorder == TakenBlock::Recorder::Pending && oldest->block().leases() > 1) {
      taken.forJavaScript = false;  // the recorder will account for it
      return;
    }
    table_.applyVerdicts(content, taken);
    const bool written = taken.recorder == TakenBlock::Recorder::Written;
    table_.account(taken, written ? Outcome::Delivered : Outcome::DroppedByOverflow);
  });
  return true;
}

void BlockOutlet::attach(std::shared_ptr<Recorder> recorder) {
  std::shared_ptr<Recorder> last;  // released after the lock
  std::lock_guard lock(mutex_);
  last = std::exchange(recorder_, std::move(recorder));
  recording_ = true;
  recorder_->decided(decided_);
}

void BlockOutlet::detach(const Recorder& recorder) {
  std::lock_guard lock(mutex_);
  if (recorder_.get() == &recorder) recording_ = false;
}

std::shared_ptr<Recorder> BlockOutlet::recorder() const {
  std::lock_guard lock(mutex_);
  return recorder_;
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
  return recorder_ != nullptr;
}

}  // namespace ringtap
