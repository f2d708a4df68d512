// An InterfaceMonitor on its own thread, with a bounded queue of events for a consumer on another thread.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/links/interface_info.h"
#include "core/links/interface_monitor.h"
#include "core/util/result.h"
#include "core/util/thread.h"
#include "core/util/unique_fd.h"

namespace ringtap {

class InterfaceWatch {
 public:
  struct Options {
    int receiveBuffer = 0;     // bytes; 0: InterfaceMonitor's default
    std::size_t maxQueue = 1;  // maximum number of queued events
  };

  // Called on the watch's thread.
  struct Listener {
    // Called once after a take() that returned an empty batch, when the next one would not be empty.
    void (*ready)(void* context) = nullptr;
    // Called at the end of the thread, after the monitor and its descriptors are closed. Called once for every watch
    // that was started, never before stop().
    void (*ended)(void* context) = nullptr;
    void* context = nullptr;
  };

  struct Batch {
    std::vector<InterfaceEvent> events;
    // Set if the queue overflowed: the present interfaces instead of the events, which are discarded. `events` is then
    // empty.
    std::optional<std::vector<InterfaceInfo>> resync;
    // The watch has failed; no further event follows.
    std::optional<Error> error;
    [[nodiscard]] bool empty() const { return events.empty() && !resync && !error; }
  };

  // In the network namespace of the calling thread.
  [[nodiscard]] static Result<std::unique_ptr<InterfaceWatch>> start(const Options& options, const Listener& listener);
  InterfaceWatch(const InterfaceWatch&) = delete;
  InterfaceWatch& operator=(const InterfaceWatch&) = delete;
  // Stops and joins.
  ~InterfaceWatch();

  // The interfaces when the watch started; the events are relative to this list.
  [[nodiscard]] const std::vector<InterfaceInfo>& initial() const { return initial_; }

  // Returns at most `limit` events. Does not block. An empty batch arms the next ready().
  Batch take(std::size_t limit);

  // Makes the thread end, without waiting for it. Any thread; idempotent.
  void stop();
  // Waits for the thread to end. Only after stop(), only on the owner's thread; idempotent.
  void join();

 private:
  InterfaceWatch(const Options& options, const Listener& listener) : options_(options), listener_(listener) {}

  void main();
  void run();
  void put(std::vector<InterfaceEvent>& events);
  void fail(Error error);
  Result<bool> waitForEvents();

  const Options options_;
  const Listener listener_;
  std::vector<InterfaceInfo> initial_;
  std::optional<InterfaceMonitor> monitor_;  // used only by the thread once it runs
  UniqueFd stopEvent_;
  Thread thread_;

  std::mutex mutex_;  // guards the members below
  std::deque<InterfaceEvent> queue_;
  std::optional<std::vector<InterfaceInfo>> resync_;
  std::optional<Error> error_;
  bool armed_ = false;
};

}  // namespace ringtap
