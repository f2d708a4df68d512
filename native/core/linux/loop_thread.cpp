#include "core/linux/loop_thread.h"

#include <sys/eventfd.h>

#include <algorithm>

#include "core/linux/processors.h"

namespace ringtap {

namespace {

constexpr std::uint64_t kNudge = ~std::uint64_t{0};

}  // namespace

Result<> LoopThread::open() {
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return Error::fromErrno("epoll_create1");
  eventfd_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!eventfd_) return Error::fromErrno("eventfd");
  return watch(eventfd_.get(), EPOLLIN, kNudge);
}

Result<> LoopThread::control(int operation, int fd, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (::epoll_ctl(epoll_.get(), operation, fd, &event) == 0) return {};
  return Error::fromErrno("epoll_ctl");
}

Result<> LoopThread::start(std::function<void()> body, std::optional<std::uint32_t> processor) {
  auto started = Thread::start("ringtap", std::move(body));
  if (!started) return std::move(started.error());
  thread_ = std::move(*started);
  if (!processor) return {};
  auto bound = bindToProcessor(thread_.id(), *processor);
  if (!bound) stop();
  return bound;
}

void LoopThread::nudge() {
  const std::uint64_t one = 1;
  (void)!::write(eventfd_.get(), &one, sizeof one);
}

void LoopThread::stop() {
  ending_ = true;
  if (!thread_.joinable()) return;
  nudge();
  thread_.join();
}

std::span<const epoll_event> LoopThread::wait(int timeout) {
  const int count = ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), timeout);
  const auto end =
      std::remove_if(events_.begin(), events_.begin() + std::max(count, 0), [this](const epoll_event& one) {
        if (one.data.u64 != kNudge) return false;
        std::uint64_t value;
        (void)!::read(eventfd_.get(), &value, sizeof value);
        return true;
      });
  return {events_.begin(), end};
}

}  // namespace ringtap
