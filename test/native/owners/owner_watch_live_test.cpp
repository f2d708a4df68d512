// The watch on the sockets of this process.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>

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
  CHECK(watch->inodeOf(OwnerTable::kHome) != 0);
}

TEST(short_connections_have_their_maker_and_their_listener) {
  Counted counted;
  const auto watch = begin(counted);
  if (!watch) return;
  const UniqueFd listener = listening();
  refresh(*watch);
  std::vector<std::pair<SocketEnds, std::uint64_t>> seen;
  for (int i = 0; i < 200; ++i) {
    const UniqueFd client = connected(listener.get());
    const UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    seen.emplace_back(endsOf(client.get()), realNow());
  }
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
