#include "core/record/recorder_marks.h"

#include <algorithm>
#include <utility>

namespace ringtap {

bool RecorderMarks::add(Mark& mark) {
  if (ended_) return false;
  waiting_.push_back(std::move(mark));
  return true;
}

std::optional<RecorderMarks::Clock::time_point> RecorderMarks::due() const {
  std::optional<Clock::time_point> first;
  for (const Mark& mark : waiting_) {
    if (mark.ahead) continue;
    const auto due = std::max(mark.from, Clock::now() + kPoll);
    if (!first || due < *first) first = due;
  }
  return first;
}

void RecorderMarks::blockLeft(std::size_t at) {
  for (Mark& mark : waiting_) {
    if (mark.ahead && at < *mark.ahead) --*mark.ahead;
  }
}

// Blocks are pushed before a capture counts their packets as taken: so the queue has, when `caughtUp` returns true, all
// that is still to be written.
std::list<RecorderMarks::Mark> RecorderMarks::takeReached(std::unique_lock<std::mutex>& lock,
                                                          const std::function<std::size_t()>& queued) {
  std::list<Mark> reached;
  for (auto mark = waiting_.begin(); mark != waiting_.end();) {
    const auto one = mark++;
    if (!one->ahead) {
      if (Clock::now() < one->from) continue;
      lock.unlock();  // only this thread removes marks
      const bool caughtUp = one->caughtUp();
      lock.lock();
      if (caughtUp) one->ahead = queued();
    }
    if (one->ahead == 0u) reached.splice(reached.end(), waiting_, one);
  }
  return reached;
}

std::list<RecorderMarks::Mark> RecorderMarks::end() {
  ended_ = true;
  return std::exchange(waiting_, {});
}

}  // namespace ringtap
