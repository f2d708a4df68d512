#include "core/ring_loop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <optional>

namespace ringtap {

namespace {

enum Source : std::uint64_t { kCommand, kNews, kRing };

bool watch(int epoll, int fd, std::uint32_t events, Source source) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = source;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

RingLoop::RingLoop(std::uint32_t number, std::shared_ptr<Ring> ring, Rooms rooms, std::uint32_t retireMilliseconds,
                   std::function<void()> onDrained)
    : number_(number),
      ring_(std::move(ring)),
      rooms_(std::move(rooms)),
      retireMilliseconds_(retireMilliseconds),
      onDrained_(std::move(onDrained)),
      inHand_(ring_->blockCount()) {}

RingLoop::~RingLoop() { stop(); }

Result<> RingLoop::start() {
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return Error::fromErrno("epoll_create1");
  eventfd_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!eventfd_) return Error::fromErrno("eventfd");
  // Edge-triggered: with level-triggered polling a ring whose newest block is held would wake us without end.
  if (!watch(epoll_.get(), eventfd_.get(), EPOLLIN, kCommand) ||
      !watch(epoll_.get(), ring_->fd(), EPOLLIN | EPOLLET, kRing) ||
      (number_ == 0 && !watch(epoll_.get(), rooms_.feed.fd(), EPOLLIN | EPOLLET, kNews))) {
    return Error::fromErrno("epoll_ctl");
  }
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

void RingLoop::stop() {
  ending_ = true;
  if (thread_.joinable()) {
    nudge();
    thread_.join();
  }
  inHand_.clear();
}

void RingLoop::drain() {
  draining_ = true;
  nudge();
}

void RingLoop::nudge() {
  const std::uint64_t one = 1;
  (void)!::write(eventfd_.get(), &one, sizeof one);
}

void RingLoop::run() {
  using Clock = std::chrono::steady_clock;
  const auto retire = std::chrono::milliseconds(retireMilliseconds_);
  std::optional<Clock::time_point> drainSince;
  bool drained = false;
  epoll_event events[3];
  while (!ending_) {
    const int timeout = drainSince && !drained ? static_cast<int>(retire.count()) + 1 : -1;
    const int count = ::epoll_wait(epoll_.get(), events, std::size(events), timeout);
    for (int i = 0; i < count; ++i) {
      switch (events[i].data.u64) {
        case kCommand: {
          std::uint64_t value;
          (void)!::read(eventfd_.get(), &value, sizeof value);
          break;
        }
        case kNews: newsWaits_ = true; break;
        default:
          if ((events[i].events & EPOLLERR) != 0) reportSocketError();
          break;
      }
    }
    if (newsWaits_) newsWaits_ = !rooms_.feed.read();
    takeBlocks();
    makeRoom();
    if (!draining_ || drained) continue;
    if (!drainSince) drainSince = Clock::now();
    // A packet that passed the old filter on another processor may not be counted yet: one retire time covers it.
    const auto waited = Clock::now() - *drainSince;
    if (waited >= retire && taken() == entered()) {
      drained = true;
    } else if (waited >= 100 * retire + std::chrono::seconds(1)) {
      drained = true;
      rooms_.queue.push(Error{Code::System, "the ring did not hand over all of its packets in time after the stop"});
    }
    if (drained) onDrained_();
  }
}

std::uint64_t RingLoop::entered() const {
  const RingStatistics ring = ring_->statistics();
  return ring.packets - ring.drops;
}

void RingLoop::takeBlocks() {
  while (ring_->ready(cursor_, blocksTaken_ + 1)) {
    const std::uint32_t index = cursor_;
    cursor_ = (cursor_ + 1) % ring_->blockCount();
    const std::uint64_t number = ++blocksTaken_;
    TakenBlock taken = rooms_.table.take(ring_->block(index), ring_->blockSize(), number_, number,
                                         [this](std::uint32_t stranger) { rooms_.feed.meet(stranger); });
    recordsTaken_ += taken.records;
    if (taken.summary.malformed > 0) {
      rooms_.queue.push(Error{Code::System, "a block of the ring held " + std::to_string(taken.summary.malformed) +
                                                " packets that could not be read"});
    }
    auto block = std::make_shared<HeldBlock>(ring_, index, std::move(taken), rooms_.overflow);
    if (block->taken().summary.packets == 0) continue;  // its end gives it back
    inHand_[index] = block;
    rooms_.queue.push(Lease(std::move(block)));
    makeRoom();
  }
}

// The block `ahead` of the cursor, if it is in our hands.
HeldBlock* RingLoop::held(std::uint32_t ahead) {
  std::shared_ptr<HeldBlock>& block = inHand_[(cursor_ + ahead) % ring_->blockCount()];
  if (block && block->home()) block.reset();
  return block.get();
}

// The kernel fills blocks in order and stops at one that is still held, however many are free behind it. So a run of
// free blocks is kept ahead of it: what stands there is copied out, oldest first.
//
// A quarter of the ring is not enough. Before it takes a packet the kernel looks, without the lock, whether the block a
// quarter of the ring ahead is free or else the present one (af_packet.c, __packet_rcv_has_room). The present one is
// not free for the moment in which another processor closes it: packets are dropped then, and no freeze is counted.
void RingLoop::makeRoom() {
  const std::uint32_t wanted = ring_->blockCount() / 4 + std::max(1u, ring_->blockCount() / 8);
  for (std::uint32_t ahead = 0; ahead < wanted; ++ahead) {
    HeldBlock* block = held(ahead);
    if (block == nullptr) continue;
    auto evicted = block->evict();
    if (!evicted || !*evicted) {
      const bool news = setStarved(true);
      if (!evicted && news) rooms_.queue.push(std::move(evicted.error()));
      return;
    }
    ++evicted_;
  }
  setStarved(false);
}

bool RingLoop::setStarved(bool starved) {
  // Without overflow memory every loss is the ring's.
  starved = starved && rooms_.overflow->limit() > 0;
  std::lock_guard lock(starvedMutex_);
  if (starved == starved_) return false;
  starved_ = starved;
  const std::uint64_t drops = ring_->statistics().drops;
  if (starved) dropsWhenStarved_ = drops;
  else overflowDrops_ += drops - dropsWhenStarved_;
  return true;
}

LoopFigures RingLoop::figures() {
  std::lock_guard lock(starvedMutex_);
  const RingStatistics ring = ring_->statistics();
  LoopFigures figures;
  figures.packets = ring.packets;
  figures.freezes = ring.freezes;
  figures.evicted = evicted_;
  figures.overflowDrops = overflowDrops_ + (starved_ ? ring.drops - dropsWhenStarved_ : 0);
  figures.ringDrops = ring.drops - figures.overflowDrops;
  return figures;
}

void RingLoop::reportSocketError() {
  int number = 0;
  socklen_t length = sizeof number;
  if (::getsockopt(ring_->fd(), SOL_SOCKET, SO_ERROR, &number, &length) != 0 || number == 0) return;
  errno = number;
  rooms_.queue.push(Error::fromErrno("recv", "the packet socket reported an error"));
}

}  // namespace ringtap
