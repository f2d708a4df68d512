// The moments that a recorder was asked to reach: when every packet received before one is written, a file ends there.
//
// All functions are called with the recorder's mutex held.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <optional>

namespace ringtap {

class RecorderMarks {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kPoll{5};  // between two calls of `caughtUp`

  struct Mark {
    Clock::time_point from;          // the moment
    std::function<bool()> caughtUp;  // whether every packet received before it is in the queue, or written
    std::function<void()> reached;
    std::optional<std::size_t> ahead =
        std::nullopt;  // once it is caught up: the blocks in the queue that are before it
  };

  // False, with `mark` unchanged, after end().
  [[nodiscard]] bool add(Mark& mark);
  // When a mark has to be looked at again, which otherwise happens with each block; nullopt if none has to.
  [[nodiscard]] std::optional<Clock::time_point> due() const;
  // A block has left the queue, where it was at this position.
  void blockLeft(std::size_t at);
  // Takes the marks whose packets are all written. `queued()` is the number of blocks in the queue. The mutex is
  // released while a mark's `caughtUp` runs; only the recorder's thread may call this.
  [[nodiscard]] std::list<Mark> takeReached(std::unique_lock<std::mutex>& lock,
                                            const std::function<std::size_t()>& queued);
  // Takes all marks. There will be no more.
  [[nodiscard]] std::list<Mark> end();

 private:
  std::list<Mark> waiting_;
  bool ended_ = false;
};

}  // namespace ringtap
