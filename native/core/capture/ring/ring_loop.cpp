#include "core/capture/ring/ring_loop.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "core/capture/intake/drain_watch.h"

namespace ringtap {

namespace {

enum Source : std::uint64_t { kNetlink, kRing };

constexpr int kQuietMilliseconds = 1000;  // of idleness, after which spare memory is freed
constexpr int kRetryMilliseconds = 100;   // after the ring could not be mapped

}  // namespace

RingLoop::RingLoop(std::uint32_t number, std::shared_ptr<Ring> ring, IntakeContext context,
                   std::uint32_t maxDelayMilliseconds, std::function<void()> onDrained)
    : number_(number),
      ring_(std::move(ring)),
      context_(std::move(context)),
      maxDelayMilliseconds_(maxDelayMilliseconds),
      onDrained_(std::move(onDrained)),
      inHand_(ring_->blockCount()) {}

RingLoop::~RingLoop() { stop(); }

Result<> RingLoop::start(std::optional<std::uint32_t> processor) {
  if (auto opened = thread_.open(); !opened) return opened;
  // Edge-triggered: with level-triggered polling a ring whose newest block is held would wake the loop continuously.
  if (auto watched = thread_.watch(ring_->fd(), EPOLLIN | EPOLLET, kRing); !watched) return watched;
  if (number_ == 0) {
    if (auto watched = thread_.watch(context_.feed.fd(), EPOLLIN | EPOLLET, kNetlink); !watched) return watched;
  }
  return thread_.start([this] { run(); }, processor);
}

void RingLoop::stop() {
  thread_.stop();
  inHand_.clear();
}

void RingLoop::drain() {
  draining_ = true;
  nudge();
}

void RingLoop::awaitRoom() {
  const std::uint64_t request = rounds_.request();
  nudge();
  rounds_.await(request);
}

void RingLoop::run() {
  DrainWatch drain{std::chrono::milliseconds(maxDelayMilliseconds_)};
  bool drained = false;
  int timeout = -1;
  while (!thread_.ending()) {
    const bool spare = context_.overflow->spare() > 0;
    int wait = timeout < 0 && spare ? kQuietMilliseconds : timeout;
    if (unmapped_ && (wait < 0 || wait > kRetryMilliseconds)) wait = kRetryMilliseconds;
    const auto events = thread_.wait(wait);
    const std::uint64_t round = rounds_.begin();
    if (spare && events.empty()) context_.overflow->dropSpares();
    for (const epoll_event& event : events) {
      if (event.data.u64 == kNetlink) netlinkReady_ = true;
      else if ((event.events & EPOLLERR) != 0) reportSocketError();
    }
    if (netlinkReady_) netlinkReady_ = !context_.feed.read();
    takeBlocks();
    makeRoom();
    rounds_.complete(round);
    if (!draining_ || drained) continue;
    const auto state = drain.look(taken() == entered());
    drained = state != DrainWatch::State::Waiting;
    timeout = drained ? -1 : drain.timeout();
    if (state == DrainWatch::State::Overdue) {
      context_.queue.push(Error{Code::System, "the ring did not hand over all of its packets in time after the stop"});
    }
    if (drained) onDrained_();
  }
  rounds_.end();
}

std::uint64_t RingLoop::entered() const {
  const RingStatistics ring = ring_->statistics();
  return ring.packets - ring.drops;
}

void RingLoop::takeBlocks() {
  while (ring_->ready(cursor_, blocksTaken_ + 1)) {
    const std::uint32_t index = cursor_;
    auto view = ring_->viewOf(index);
    if (!view) {  // the block stays in the ring, and the loop tries again
      if (!std::exchange(unmapped_, true)) context_.queue.push(std::move(view.error()));
      return;
    }
    unmapped_ = false;
    cursor_ = (cursor_ + 1) % ring_->blockCount();
    const std::uint64_t number = ++blocksTaken_;
    TakenBlock taken = context_.table.take((*view)->block(index), ring_->blockSize(), {number_, number},
                                           [this](std::uint32_t onUnknown) { context_.feed.learn(onUnknown); });
    const std::uint64_t records = taken.records;
    if (taken.summary.malformed > 0) {
      context_.queue.push(Error{Code::System, "a block of the ring held " + std::to_string(taken.summary.malformed) +
                                                  " packets that could not be read"});
    }
    auto block = std::make_shared<RingBlock>(ring_, std::move(*view), index, std::move(taken), context_.overflow);
    if (block->taken().summary.packets > 0) {  // an empty block is returned by its destructor
      inHand_[index] = block;
      context_.outlet.push(std::move(block));
    }
    recordsTaken_ += records;  // counted after the push: a reader of this counter expects the packets in the queue
    makeRoom();
  }
}

// The block `ahead` blocks after the cursor, if user space holds it.
RingBlock* RingLoop::held(std::uint32_t ahead) {
  std::shared_ptr<RingBlock>& block = inHand_[(cursor_ + ahead) % ring_->blockCount()];
  if (block && block->outsideRing()) block.reset();
  return block.get();
}

// The kernel fills blocks in order and stops at one that is still held, even if others behind it are free. So a run of
// free blocks is kept ahead of it: held blocks in that run are copied out, oldest first.
//
// A quarter of the ring is not enough. Before it accepts a packet the kernel checks, without the lock, whether the
// block a quarter of the ring ahead is free, or else the current one (af_packet.c, __packet_rcv_has_room). The current
// one is not free for the moment in which another processor closes it: packets are dropped then, and no freeze is
// counted.
void RingLoop::makeRoom() {
  const std::uint32_t wanted = ring_->blockCount() / 4 + std::max(1u, ring_->blockCount() / 8);
  for (std::uint32_t ahead = 0; ahead < wanted; ++ahead) {
    RingBlock* block = held(ahead);
    if (block == nullptr) continue;
    auto evicted = block->evict();
    while (evicted && !*evicted && !block->outsideRing() && context_.outlet.dropWaiting(block)) {
      if (!block->outsideRing()) evicted = block->evict();
    }
    if (block->outsideRing() && evicted && !*evicted) continue;  // dropped from the queue instead of copied
    if (!evicted || !*evicted) {
      const bool changed = setStarved(true);
      if (!evicted && changed) context_.queue.push(std::move(evicted.error()));
      return;
    }
    ++evicted_;
  }
  setStarved(false);
}

bool RingLoop::setStarved(bool starved) {
  // Without overflow memory every loss counts as the ring's.
  starved = starved && context_.overflow->limit() > 0;
  return dropCauses_.setStarved(starved, [this] { return ring_->statistics().drops; });
}

LoopStats RingLoop::stats() {
  RingStatistics ring;
  const auto drops = dropCauses_.split([&] {
    ring = ring_->statistics();
    return ring.drops;
  });
  return {ring.packets, drops.ring, drops.overflow, ring.freezes, evicted_};
}

void RingLoop::reportSocketError() {
  int number = 0;
  socklen_t length = sizeof number;
  if (::getsockopt(ring_->fd(), SOL_SOCKET, SO_ERROR, &number, &length) != 0 || number == 0) return;
  errno = number;
  context_.queue.push(Error::fromErrno("recv", "the packet socket reported an error"));
}

}  // namespace ringtap
