#include "core/linux/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "core/util/clock.h"

namespace ringtap {

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
// The last part of a sleep, in nanoseconds, does not use ppoll(2): its timeout is relative, an absolute one is exact.
constexpr std::uint64_t kLastStretch = 1'000'000;
// The longest single wait, so that the kernel's sum of time and timeout does not overflow (64 bits of nanoseconds).
constexpr std::uint64_t kLongest = 3600 * kSecond;

timespec toTimespec(std::uint64_t time) {
  return {static_cast<time_t>(time / kSecond), static_cast<long>(time % kSecond)};
}

}  // namespace

Result<Interrupt> Interrupt::open() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return Error::fromErrno("eventfd");
  return Interrupt(std::move(event));
}

void Interrupt::raise() {
  raised_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof one);
}

void Interrupt::clear() {
  std::uint64_t count;
  (void)!::read(event_.get(), &count, sizeof count);
  raised_.store(false, std::memory_order_release);
}

void Interrupt::waitWritable(int fd, std::uint64_t time) const {
  const std::uint64_t now = monotonicNow();
  if (now >= time) return;
  pollfd waited[] = {{event_.get(), POLLIN, 0}, {fd, POLLOUT, 0}};
  const timespec timeout = toTimespec(time - now < kLongest ? time - now : kLongest);
  (void)::ppoll(waited, fd < 0 ? 1 : 2, &timeout, nullptr);
}

bool Interrupt::sleepUntil(std::uint64_t time) const {
  for (;;) {
    if (raised()) return false;
    const std::uint64_t now = monotonicNow();
    if (now >= time) return true;
    if (time - now > kLastStretch) {
      waitWritable(-1, time - kLastStretch);
      continue;
    }
    const timespec until = toTimespec(time);
    (void)::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  }
}

}  // namespace ringtap
