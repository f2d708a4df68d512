#include "core/capture.h"

#include <linux/filter.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <chrono>

namespace ringtap {

namespace {

enum Source : std::uint64_t { kCommand, kMonitor, kRing };

bool watch(int epoll, int fd, std::uint32_t events, Source source) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = source;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Capture::Capture(const CaptureConfig& config, std::function<void()> wake)
    : config_(config), table_(config.filter, config.hotplug), queue_(std::move(wake)) {}

Result<std::unique_ptr<Capture>> Capture::open(const CaptureConfig& config, InterfaceMonitor monitor,
                                               std::function<void()> wake) {
  std::unique_ptr<Capture> self(new Capture(config, std::move(wake)));
  auto ring = Ring::open(config.ring);
  if (!ring) return ring.error();
  self->ring_ = std::move(*ring);
  self->monitor_ = std::make_unique<InterfaceMonitor>(std::move(monitor));
  self->epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!self->epoll_) return Error::fromErrno("epoll_create1");
  self->eventfd_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!self->eventfd_) return Error::fromErrno("eventfd");
  // Edge-triggered: with level-triggered polling a ring whose newest block is held would wake us without end.
  if (!watch(self->epoll_.get(), self->eventfd_.get(), EPOLLIN, kCommand) ||
      !watch(self->epoll_.get(), self->monitor_->fd(), EPOLLIN | EPOLLET, kMonitor) ||
      !watch(self->epoll_.get(), self->ring_->fd(), EPOLLIN | EPOLLET, kRing)) {
    return Error::fromErrno("epoll_ctl");
  }
  for (const auto& [index, info] : self->monitor_->interfaces()) self->table_.add(info);
  return self;
}

Capture::~Capture() { close(); }

Result<> Capture::start() {
  auto kernel = KernelFilter::attach(config_.filter, config_.hotplug, config_.form, {ring_});
  if (!kernel) return kernel.error();
  table_.use(std::move(*kernel));
  if (auto committed = table_.commit(); !committed) return committed;
  if (auto bound = ring_->bind(0); !bound) return bound;
  // Signals are for Node's own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "ringtap");
  return {};
}

void Capture::decide(std::uint32_t index, std::uint32_t generation, std::uint64_t epoch, bool selected) {
  const bool known = table_.decide(index, generation, epoch, selected);
  if (!config_.promiscuous || !known) return;
  std::lock_guard lock(promiscuousMutex_);
  if (selected == promiscuous_.contains(index)) return;
  if (auto set = ring_->setPromiscuous(index, selected); !set) {
    if (set.error().number != ENODEV) queue_.push(std::move(set.error()));  // gone in the meantime: nothing to tell
    return;
  }
  if (selected) promiscuous_.insert(index);
  else promiscuous_.erase(index);
}

std::optional<QueuedEvent> Capture::nextEvent() {
  auto event = queue_.nextEvent();
  if (event && event->event.change == InterfaceChange::Removed) {
    std::lock_guard lock(promiscuousMutex_);
    promiscuous_.erase(event->event.current.index);  // the membership went with the device
  }
  if (!event && resume_.exchange(false)) signal();
  return event;
}

ChunkQueue::Next Capture::nextBlock(std::optional<Lease>& out) {
  for (;;) {
    const auto next = queue_.nextBlock(out);
    if (next != ChunkQueue::Next::Block) return next;
    table_.handOut(out->data(), out->taken());
    if (out->taken().summary.packets > 0) return next;
    out.reset();
  }
}

void Capture::stop() {
  if (stopping_.exchange(true)) return;
  const FilterInstruction nothing{BPF_RET | BPF_K, 0, 0, 0};
  if (auto attached = ring_->attach({&nothing, 1}); !attached) queue_.push(std::move(attached.error()));
  signal();
}

void Capture::close() {
  if (closing_.exchange(true)) return;
  if (thread_.joinable()) {
    signal();
    thread_.join();
  }
  queue_.clear();
  if (ring_) ring_->shut();
  if (monitor_) monitor_.reset();
  epoll_.reset();
  eventfd_.reset();
}

CaptureFigures Capture::figures() {
  CaptureFigures figures;
  // The ring's counters last: what the table has is then part of them.
  figures.table = table_.figures();
  figures.ring = ring_->statistics();
  figures.received = figures.ring.packets - figures.table.lateRefused;
  figures.monitorOverflows = monitorOverflows_;
  return figures;
}

void Capture::signal() {
  const std::uint64_t one = 1;
  (void)!::write(eventfd_.get(), &one, sizeof one);
}

void Capture::run() {
  using Clock = std::chrono::steady_clock;
  const auto retire = std::chrono::milliseconds(config_.ring.retireMilliseconds);
  std::optional<Clock::time_point> stopSeen;
  bool finished = false;
  epoll_event events[3];
  while (!closing_) {
    const int timeout = stopSeen && !finished ? static_cast<int>(retire.count()) + 1 : -1;
    const int count = ::epoll_wait(epoll_.get(), events, std::size(events), timeout);
    for (int i = 0; i < count; ++i) {
      switch (events[i].data.u64) {
        case kCommand: {
          std::uint64_t value;
          (void)!::read(eventfd_.get(), &value, sizeof value);
          break;
        }
        case kMonitor: monitorBehind_ = true; break;
        default:
          if ((events[i].events & EPOLLERR) != 0) reportSocketError();
          break;
      }
    }
    if (monitorBehind_) readMonitor();
    takeBlocks();
    if (stopping_ && !finished) {
      if (!stopSeen) stopSeen = Clock::now();
      // A packet that passed the old filter on another processor may not be counted yet: one retire time covers it.
      const auto waited = Clock::now() - *stopSeen;
      if (waited >= retire && drained()) {
        finished = true;
      } else if (waited >= 100 * retire + std::chrono::seconds(1)) {
        finished = true;
        queue_.push(Error{Code::System, "the ring did not hand over all of its packets in time after the stop"});
      }
      if (finished) queue_.finish();
    }
  }
}

bool Capture::drained() {
  const auto table = table_.figures();
  const RingStatistics ring = ring_->statistics();
  return table.taken == ring.packets - ring.drops;
}

void Capture::publish(std::vector<InterfaceEvent>& events) {
  if (events.empty()) return;
  std::uint64_t epoch = table_.epoch();
  table_.apply(events, horizon());
  for (InterfaceEvent& event : events) queue_.push(QueuedEvent{++epoch, std::move(event)});
}

void Capture::readMonitor() {
  if (queue_.crowded()) {
    resume_ = true;
    return;
  }
  monitorBehind_ = false;
  std::vector<InterfaceEvent> events;
  if (auto read = monitor_->read(events); !read) queue_.push(std::move(read.error()));
  monitorOverflows_ = monitor_->overflows();
  publish(events);
}

void Capture::meetStranger(std::uint32_t index) {
  // First what the kernel has sent already: the news of this device is most likely there.
  std::vector<InterfaceEvent> events;
  if (auto read = monitor_->read(events); !read) queue_.push(std::move(read.error()));
  const auto found = [&] { return monitor_->interfaces().contains(index); };
  bool known = found();
  if (!known) {
    auto asked = monitor_->query(index, events);
    known = asked && *asked && found();
  }
  for (const InterfaceEvent& event : events) known = known || event.current.index == index;
  if (!known) {
    // It came and went between two looks. Its packets are real: they are judged as those of a nameless device.
    InterfaceEvent nameless;
    nameless.change = InterfaceChange::Added;
    nameless.current.index = index;
    events.push_back(std::move(nameless));
  }
  publish(events);
}

void Capture::takeBlocks() {
  while (ring_->ready(cursor_, blocksTaken_ + 1)) {
    const std::uint32_t index = cursor_;
    cursor_ = (cursor_ + 1) % ring_->blockCount();
    ++blocksTaken_;
    TakenBlock taken = table_.take(ring_->block(index), ring_->blockSize(), blocksTaken_,
                                   [this](std::uint32_t stranger) { meetStranger(stranger); });
    if (taken.summary.malformed > 0) {
      queue_.push(Error{Code::System, "a block of the ring held " + std::to_string(taken.summary.malformed) +
                                          " packets that could not be read"});
    }
    Lease lease(ring_, index, std::move(taken));
    if (lease.taken().summary.packets > 0) queue_.push(std::move(lease));
  }
}

void Capture::reportSocketError() {
  int number = 0;
  socklen_t length = sizeof number;
  if (::getsockopt(ring_->fd(), SOL_SOCKET, SO_ERROR, &number, &length) != 0 || number == 0) return;
  errno = number;
  queue_.push(Error::fromErrno("recv", "the packet socket reported an error"));
}

}  // namespace ringtap
