#include "core/links/interface_watch.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace ringtap {

namespace {

std::vector<InterfaceInfo> listOf(const InterfaceMonitor& monitor) {
  std::vector<InterfaceInfo> list;
  list.reserve(monitor.interfaces().size());
  for (const auto& [index, info] : monitor.interfaces()) list.push_back(info);
  return list;
}

}  // namespace

Result<std::unique_ptr<InterfaceWatch>> InterfaceWatch::start(const Options& options, const Listener& listener) {
  std::unique_ptr<InterfaceWatch> watch(new InterfaceWatch(options, listener));
  auto monitor = options.receiveBuffer > 0 ? InterfaceMonitor::open(options.receiveBuffer) : InterfaceMonitor::open();
  if (!monitor) return std::move(monitor.error());
  watch->initial_ = listOf(*monitor);
  watch->monitor_.emplace(std::move(*monitor));

  watch->stopEvent_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  if (!watch->stopEvent_) return Error::fromErrno("eventfd", "cannot watch the network interfaces");

  auto started = Thread::start("ringtap links", [self = watch.get()] { self->main(); });
  if (!started) return std::move(started.error());
  watch->thread_ = std::move(*started);
  return watch;
}

InterfaceWatch::~InterfaceWatch() {
  if (!thread_.joinable()) return;
  stop();
  join();
}

void InterfaceWatch::stop() {
  const std::uint64_t one = 1;
  // Cannot block: the counter holds 2^64 - 2 stops.
  (void)!write(stopEvent_.get(), &one, sizeof one);
}

void InterfaceWatch::join() { thread_.join(); }

InterfaceWatch::Batch InterfaceWatch::take(std::size_t limit) {
  Batch batch;
  const std::lock_guard lock(mutex_);
  const auto count = static_cast<std::ptrdiff_t>(std::min(limit, queue_.size()));
  batch.events.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.begin() + count));
  queue_.erase(queue_.begin(), queue_.begin() + count);
  if (batch.events.empty()) {
    batch.resync = std::exchange(resync_, std::nullopt);
    if (!batch.resync) batch.error = std::exchange(error_, std::nullopt);
  }
  if (batch.empty()) armed_ = true;
  return batch;
}

void InterfaceWatch::main() {
  run();
  monitor_.reset();
  const Listener listener = listener_;
  listener.ended(listener.context);
}

// False: stop() was called.
Result<bool> InterfaceWatch::waitForEvents() {
  pollfd waited[] = {{.fd = stopEvent_.get(), .events = POLLIN, .revents = 0},
                     {.fd = monitor_->fd(), .events = POLLIN, .revents = 0}};
  while (poll(waited, std::size(waited), -1) < 0) {
    if (errno != EINTR) return Error::fromErrno("poll", "cannot wait for changes of the network interfaces");
  }
  return waited[0].revents == 0;
}

void InterfaceWatch::run() {
  std::vector<InterfaceEvent> events;
  for (;;) {
    auto more = waitForEvents();
    if (more && !*more) return;
    events.clear();
    auto done = more ? monitor_->read(events) : Result<>(std::move(more.error()));
    if (!events.empty()) put(events);
    if (done) continue;

    fail(std::move(done.error()));
    std::uint64_t stops = 0;
    while (::read(stopEvent_.get(), &stops, sizeof stops) < 0 && errno == EINTR) continue;
    return;
  }
}

void InterfaceWatch::put(std::vector<InterfaceEvent>& events) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (resync_ || queue_.size() + events.size() > options_.maxQueue) {
      // The present interfaces replace the events: memory is bounded by the number of interfaces.
      queue_.clear();
      resync_ = listOf(*monitor_);
    } else {
      std::move(events.begin(), events.end(), std::back_inserter(queue_));
    }
    wake = std::exchange(armed_, false);
  }
  if (wake) listener_.ready(listener_.context);
}

void InterfaceWatch::fail(Error error) {
  monitor_.reset();
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
    wake = std::exchange(armed_, false);
  }
  if (wake) listener_.ready(listener_.context);
}

}  // namespace ringtap
