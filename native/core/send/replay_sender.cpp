#include "core/send/replay_sender.h"

#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "core/send/replay_frame.h"
#include "core/send/replay_schedule.h"
#include "core/util/clock.h"

namespace ringtap {

// Sends packets that are due together in one batch.
class ReplaySender::Pass {
 public:
  Pass(ReplaySender& sender, ReplaySchedule& schedule)
      : sender_(sender), schedule_(schedule), timed_(std::isfinite(sender.options_.speed)) {}

  // Returns false if interrupted.
  bool send(const SourceBlock& block) {
    walkIndex(block.memory, block.packets, [this](const Record& record) {
      if (!stopped_) take(record);
    });
    flush();
    return !stopped_;
  }

 private:
  void take(const Record& record) {
    std::uint64_t due = 0;
    if (timed_) {
      due = schedule_.due(record.timestamp());
      if (due > monotonicNow()) {
        flush();
        stopped_ = stopped_ || !sender_.injector_->interruption().sleepUntil(due);
        if (stopped_) return;
      }
    }
    frames_[count_] = frameOf(record, sender_.injector_->linkType());
    due_[count_] = due;
    if (++count_ == frames_.size()) flush();
  }

  void flush() {
    if (count_ == 0 || stopped_) return;
    const std::size_t count = std::exchange(count_, 0);
    const std::uint64_t now = monotonicNow();
    const std::size_t done = sender_.injector_->send({frames_.data(), count}, position_, sender_.tally_);
    position_ += done;
    stopped_ = done < count;

    std::lock_guard lock(sender_.mutex_);
    ReplayStats& stats = sender_.stats_;
    stats.packets += done;
    stats.sent = sender_.tally_.sent();
    stats.bytes = sender_.tally_.bytes();
    stats.refused = sender_.tally_.refused();
    stats.nanoseconds = monotonicNow() - sender_.begun_;
    for (std::size_t i = 0; timed_ && i < done; ++i) {
      stats.latenessSum += now - due_[i];
      stats.latenessMost = std::max(stats.latenessMost, now - due_[i]);
    }
  }

  ReplaySender& sender_;
  ReplaySchedule& schedule_;
  bool timed_;
  bool stopped_ = false;
  std::array<Frame, Injector::kBatch> frames_;
  std::array<std::uint64_t, Injector::kBatch> due_;
  std::size_t count_ = 0;
  std::uint64_t position_ = 0;
};

ReplaySender::ReplaySender(std::unique_ptr<Injector> injector, Open open, const ReplayOptions& options)
    : injector_(std::move(injector)), open_(std::move(open)), options_(options) {}

Result<std::unique_ptr<SavefileSource>> ReplaySender::openPass() {
  auto source = open_();
  if (!source) return source;
  std::lock_guard lock(mutex_);
  ++stats_.passes;
  source_ = source->get();
  if (injector_->interruption().raised()) source_->shut();
  return source;
}

Result<> ReplaySender::run() {
  // By default timers may be up to 50 microseconds late, so that several expire together (prctl(2)).
  (void)::prctl(PR_SET_TIMERSLACK, 1);
  std::optional<ReplaySchedule> schedule;
  for (std::uint64_t pass = 0; options_.passes == 0 || pass < options_.passes; ++pass) {
    auto source = openPass();
    if (!source) return source.error();
    std::optional<Pass> sending;
    bool any = false;
    Result<> outcome;
    for (;;) {
      auto block = (*source)->next();
      if (!block) outcome = block.error();
      if (!block || block->memory == nullptr) break;
      if (!schedule) {
        // The clock starts when there is a packet to send: opening and reading the file does not count as delay.
        begun_ = monotonicNow();
        schedule.emplace(options_.speed, options_.longestGap, begun_);
      }
      if (!sending) sending.emplace(*this, *schedule);
      any = any || block->packets > 0;
      if (!sending->send(*block)) break;
    }
    {
      std::lock_guard lock(mutex_);
      source_ = nullptr;
    }
    if (!outcome) return outcome;
    // The file has no packets: repeating it would only use processor time.
    if (!any || injector_->interruption().raised()) break;
    schedule->restart();
  }
  return {};
}

void ReplaySender::stop() {
  injector_->interrupt();
  std::lock_guard lock(mutex_);
  if (source_ != nullptr) source_->shut();
}

ReplayStats ReplaySender::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace ringtap
