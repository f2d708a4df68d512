// The watch on the sockets of this process.
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "core/owners/owner_watch.h"
#include "core/util/clock.h"
#include "support/check.h"
#include "support/eventually.h"
#include "support/namespace.h"

using namespace ringtap;
using Source = Ownership::Source;
using Gap = Ownership::Gap;

namespace {

struct Counted {
  std::atomic<int> swept{0};
  std::atomic<int> ended{0};

  OwnerWatch::Listener listener() {
    return {.swept = [](void* context) { ++static_cast<Counted*>(context)->swept; },
            .ended = [](void* context) { ++static_cast<Counted*>(context)->ended; },
            .context = this};
  }
};

std::unique_ptr<OwnerWatch> begin(Counted& counted) {
  auto watch = OwnerWatch::start({.everySpace = false}, counted.listener());
  CHECK(watch.ok());
  return watch ? std::move(*watch) : nullptr;
}

void refresh(OwnerWatch& watch) {
  const std::uint64_t number = watch.ask();
  CHECK(support::eventually([&] { return watch.answered() >= number; }));
}

sockaddr_in nameOf(int fd, bool far) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  auto* at = reinterpret_cast<sockaddr*>(&address);
  CHECK((far ? ::getpeername(fd, at, &length) : ::getsockname(fd, at, &length)) == 0);
  return address;
}

SocketEnds endsOf(int fd) {
  const sockaddr_in local = nameOf(fd, false), remote = nameOf(fd, true);
  return {IPPROTO_TCP, ntohs(local.sin_port), ntohs(remote.sin_port), ownerAddress(AF_INET, &local.sin_addr),
          ownerAddress(AF_INET, &remote.sin_addr)};
}

SocketEnds reversed(const SocketEnds& ends) {
  return {ends.protocol, ends.remotePort, ends.localPort, ends.remote, ends.local};
}

UniqueFd listening() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  CHECK(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(fd.get(), 64) == 0);
  return fd;
}

UniqueFd connected(int listener) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in to = nameOf(listener, false);
  CHECK(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  return fd;
}

bool isThisProcess(const Ownership& owners) {
  return owners.processes.size() == 1 && owners.processes[0]->pid == static_cast<std::uint32_t>(::getpid()) &&
         !owners.processes[0]->command.empty();
}

// Makes 200 connections that end at once; returns their clients' ends, each with a time at which it was open.
std::vector<std::pair<SocketEnds, std::uint64_t>> shortConnections(int listener) {
  std::vector<std::pair<SocketEnds, std::uint64_t>> seen;
  for (int i = 0; i < 200; ++i) {
    const UniqueFd client = connected(listener);
    const UniqueFd server(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    seen.emplace_back(endsOf(client.get()), realNow());
  }
  return seen;
}

bool setPriority(pthread_t thread, int policy, int priority) {
  const sched_param parameters{.sched_priority = priority};
  return ::pthread_setschedparam(thread, policy, &parameters) == 0;
}

// While it lives, threads of ordinary priority get no processor, and so the kernel's work queues none: this thread, and
// those that it makes, go before all others. Without CAP_SYS_NICE nothing changes.
class Hurry {
 public:
  Hurry() {
    (void)setPriority(::pthread_self(), SCHED_FIFO, 2);
    for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
      threads_.emplace_back([this] {
        if (!setPriority(::pthread_self(), SCHED_FIFO, 1)) return;
        while (!ended_) continue;
      });
    }
  }
  ~Hurry() {
    ended_ = true;
    for (std::thread& one : threads_) one.join();
    (void)setPriority(::pthread_self(), SCHED_OTHER, 0);
  }

 private:
  std::atomic<bool> ended_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

TEST(open_sockets_have_their_holder) {
  Counted counted;
  const auto watch = begin(counted);
  if (!watch) return;
  refresh(*watch);
  const UniqueFd listener = listening();
  const UniqueFd client = connected(listener.get());
  const UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const SocketEnds ends = endsOf(client.get());
  const std::uint64_t now = realNow();
  refresh(*watch);
  for (const SocketEnds& each : {ends, reversed(ends)}) {
    const Ownership owners = watch->find(each, now);
    CHECK(owners.source == Source::Holder);
    CHECK(isThisProcess(owners));
  }
  CHECK(watch->stats().open == 3);
  CHECK(watch->inodeOf(OwnerTable::kOwnSpace) != 0);
}

TEST(short_connections_have_their_maker_and_their_listener) {
  Counted counted;
  const auto watch = begin(counted);
  if (!watch) return;
  const UniqueFd listener = listening();
  refresh(*watch);
  const auto seen = shortConnections(listener.get());
  refresh(*watch);
  const bool makers = watch->stats().births;
  int named = 0;
  for (const auto& [ends, time] : seen) {
    const Ownership owners = watch->find(ends, time);
    if (owners.gap == Gap::None) {
      CHECK(isThisProcess(owners));
      ++named;
    } else {
      CHECK(!makers && owners.gap == Gap::Hidden);
    }
    // What a listener accepts is its process's, with or without privileges.
    CHECK(isThisProcess(watch->find(reversed(ends), time)));
  }
  CHECK(!makers || named == 200);
}

TEST(ends_that_the_kernel_reports_late_are_awaited) {
  Counted counted;
  std::unique_ptr<OwnerWatch> watch;
  UniqueFd listener = listening();
  std::vector<std::pair<SocketEnds, std::uint64_t>> seen;
  std::uint64_t number = 0;
  {
    const Hurry hurry;
    watch = begin(counted);
    if (!watch) return;
    // After the first sweep, which searches all processes, the watch rests; the one after the second comes at once.
    refresh(*watch);
    refresh(*watch);
    seen = shortConnections(listener.get());
    number = watch->ask();
    // The list is read, and shows none of these sockets.
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(support::eventually([&] { return watch->answered() >= number; }));
  if (!watch->stats().births) SKIP("who makes sockets is not known here: " + watch->stats().withoutBirths);
  for (const auto& [ends, time] : seen) CHECK(isThisProcess(watch->find(ends, time)));
}

TEST(it_ends_when_it_is_stopped) {
  Counted counted;
  {
    const auto watch = begin(counted);
    if (!watch) return;
    refresh(*watch);
    watch->stop();
    watch->join();
    CHECK(counted.ended == 1 && counted.swept >= 1);
  }
  CHECK(counted.ended == 1);
  (void)begin(counted);  // stopped and joined at once
  CHECK(counted.ended == 2);
}
