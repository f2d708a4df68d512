// An InterfaceMonitor with a thread of its own and a bounded queue, for a consumer that has other things to do.
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
    std::size_t maxQueue = 1;  // events that wait at most
  };

  // Called on the thread of the watch.
  struct Listener {
    // Once after a take() that found nothing, when there is something again.
    void (*ready)(void* context) = nullptr;
    // The last thing that the thread does; the monitor and its descriptors are gone. Called once for every watch that
    // was started, but not before stop().
    void (*ended)(void* context) = nullptr;
    void* context = nullptr;
  };

  struct Batch {
    std::vector<InterfaceEvent> events;
    // Where more events came than the queue holds: none of them, but how things are now. Comes without events.
    std::optional<std::vector<InterfaceInfo>> resync;
    // The watch failed and nothing more will come.
    std::optional<Error> error;
    [[nodiscard]] bool empty() const { return events.empty() && !resync && !error; }
  };

  // In the network namespace of the calling thread.
  [[nodiscard]] static Result<std::unique_ptr<InterfaceWatch>> start(const Options& options, const Listener& listener);
  InterfaceWatch(const InterfaceWatch&) = delete;
  InterfaceWatch& operator=(const InterfaceWatch&) = delete;
  // Stops and joins.
  ~InterfaceWatch();

  // What was there when the watch began; the events start from here.
  [[nodiscard]] const std::vector<InterfaceInfo>& initial() const { return initial_; }

  // Never waits. At most `limit` events; an empty batch arms the next ready().
  Batch take(std::size_t limit);

  // Asks the thread to end, without waiting for it. Any thread; idempotent.
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
  std::optional<InterfaceMonitor> monitor_;  // the thread's alone, once it runs
  UniqueFd stopEvent_;
  Thread thread_;

  std::mutex mutex_;  // guards what follows
  std::deque<InterfaceEvent> queue_;
  std::optional<std::vector<InterfaceInfo>> resync_;
  std::optional<Error> error_;
  bool armed_ = false;
};

}  // namespace ringtap
