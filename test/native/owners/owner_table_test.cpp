// Whose packet: what the table answers, and where it must not.
#include "core/owners/owner_table.h"

#include <arpa/inet.h>

#include <memory>
#include <string>
#include <vector>

#include "core/owners/packet_ends.h"
#include "support/check.h"
#include "support/choices.h"

using namespace ringtap;
using Source = Ownership::Source;
using Gap = Ownership::Gap;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint32_t kOwnSpace = OwnerTable::kOwnSpace;

OwnerAddress address(const char* text) {
  std::uint8_t bytes[16];
  const int family = std::string(text).find(':') == std::string::npos ? AF_INET : AF_INET6;
  CHECK(inet_pton(family, text, bytes) == 1);
  return ownerAddress(family, bytes);
}

SocketEnds tcp(const char* local, std::uint16_t localPort, const char* remote, std::uint16_t remotePort) {
  return {IPPROTO_TCP, localPort, remotePort, address(local), address(remote)};
}
SocketEnds udp(const char* local, std::uint16_t localPort, const char* remote, std::uint16_t remotePort) {
  return {IPPROTO_UDP, localPort, remotePort, address(local), address(remote)};
}
// A socket that is bound and not connected.
SocketEnds bound(std::uint8_t protocol, const char* local, std::uint16_t port) {
  return {protocol, port, 0, address(local), {}};
}

ProcessPointer process(std::uint32_t pid) {
  return std::make_shared<const ProcessRecord>(ProcessRecord{.id = pid, .pid = pid, .name = std::to_string(pid)});
}

std::vector<std::uint32_t> pidsOf(const Ownership& owners) {
  std::vector<std::uint32_t> pids;
  for (const auto& one : owners.processes) pids.push_back(one->pid);
  return pids;
}

using Pids = std::vector<std::uint32_t>;

// A table that has watched since second 100, with 10.0.0.1 and fd00::1 as its own addresses.
struct Fixture {
  OwnerTable table{1 << 20, 60 * kSecond};

  Fixture() {
    table.setAddresses(kOwnSpace, {address("10.0.0.1"), address("fd00::1"), address("127.0.0.1")});
    table.swept(100 * kSecond);
  }
  void hold(std::uint32_t inode, const std::vector<ProcessPointer>& holders) {
    table.hold([&](std::uint32_t each) { return each == inode ? holders : std::vector<ProcessPointer>{}; });
  }
};

const SocketEnds kConnection = tcp("10.0.0.1", 40000, "192.0.2.9", 443);

}  // namespace

TEST(holders_of_a_connection_are_all_listed) {
  Fixture f;
  f.table.seen(kOwnSpace, {.ends = kConnection, .cookie = 1, .inode = 77}, 101 * kSecond);
  CHECK(f.table.find(kConnection, 101 * kSecond).gap == Gap::NotYet);
  CHECK(f.table.inodes(false) == std::vector<std::uint32_t>{77});
  f.hold(77, {process(5), process(6)});
  CHECK(f.table.inodes(false).empty());
  CHECK(f.table.inodes(true).size() == 1);
  const Ownership owners = f.table.find(kConnection, 101 * kSecond);
  CHECK(owners.source == Source::Holder && owners.gap == Gap::None && owners.space == kOwnSpace);
  CHECK(pidsOf(owners) == Pids{5, 6});
  // The other direction is not this socket's.
  CHECK(f.table.find(tcp("192.0.2.9", 443, "10.0.0.1", 40000), 99 * kSecond).gap == Gap::NoSocket);
}

TEST(nothing_is_known_of_times_before_the_watch) {
  Fixture f;
  f.table.seen(kOwnSpace, {.ends = kConnection, .cookie = 1, .inode = 77}, 101 * kSecond);
  f.hold(77, {process(5)});
  CHECK(f.table.find(kConnection, 99 * kSecond).gap == Gap::NoSocket);
  CHECK(OwnerTable(1 << 20, kSecond).find(kConnection, 5).gap == Gap::NoSocket);
}

TEST(a_socket_that_nobody_saw_open_has_its_maker) {
  Fixture f;
  f.table.born(9, 101 * kSecond, process(5));
  f.table.ended(kOwnSpace, {.ends = kConnection, .cookie = 9}, 102 * kSecond);
  f.table.swept(103 * kSecond);
  const Ownership owners = f.table.find(kConnection, 101 * kSecond + 5);
  CHECK(owners.source == Source::Maker);
  CHECK(pidsOf(owners) == Pids{5});
  CHECK(f.table.find(kConnection, 101 * kSecond - 1).gap == Gap::NoSocket);  // before it was made
  CHECK(f.table.find(kConnection, 130 * kSecond).gap == Gap::NotYet);        // another may have these ends by now
  f.table.swept(131 * kSecond);
  CHECK(pidsOf(f.table.find(kConnection, 130 * kSecond)) == Pids{5});  // in TIME_WAIT
  CHECK(f.table.find(kConnection, 131 * kSecond - 1).gap == Gap::None);
}

TEST(a_maker_may_be_told_after_the_end) {
  Fixture f;
  f.table.ended(kOwnSpace, {.ends = kConnection, .cookie = 9}, 102 * kSecond);
  f.table.ended(kOwnSpace, {.ends = tcp("10.0.0.1", 1234, "192.0.2.9", 1), .cookie = 10}, 103 * kSecond);
  f.table.swept(104 * kSecond);
  CHECK(f.table.find(kConnection, 102 * kSecond).gap == Gap::Hidden);
  f.table.born(9, 101 * kSecond, process(5));
  const Ownership owners = f.table.find(kConnection, 102 * kSecond);
  CHECK(owners.source == Source::Maker);
  CHECK(pidsOf(owners) == Pids{5});
  CHECK(f.table.find(kConnection, 101 * kSecond - 1).gap == Gap::NoSocket);  // before it was made
}

TEST(a_socket_is_awaited_from_its_making_until_it_is_listed_or_has_ended) {
  Fixture f;
  CHECK(!f.table.awaits(0, 200 * kSecond));
  f.table.born(9, 101 * kSecond, process(5));
  f.table.born(10, 102 * kSecond, process(5));
  f.table.born(11, 103 * kSecond, process(5));
  CHECK(f.table.awaits(100 * kSecond, 101 * kSecond));
  CHECK(!f.table.awaits(100 * kSecond, 101 * kSecond - 1));
  CHECK(f.table.awaits(101 * kSecond, 102 * kSecond));
  CHECK(!f.table.awaits(103 * kSecond, 200 * kSecond));
  f.table.ended(kOwnSpace, {.ends = kConnection, .cookie = 9}, 104 * kSecond);
  CHECK(!f.table.awaits(100 * kSecond, 101 * kSecond));
  f.table.seen(kOwnSpace, {.ends = bound(IPPROTO_UDP, "10.0.0.1", 53), .cookie = 11, .inode = 78}, 105 * kSecond);
  CHECK(f.table.awaits(100 * kSecond, 200 * kSecond));
  f.table.ended(kOwnSpace, {.ends = {.protocol = IPPROTO_UDP}, .cookie = 10}, 106 * kSecond);  // it never had a port
  CHECK(!f.table.awaits(100 * kSecond, 200 * kSecond));
  CHECK(f.table.open() == 1 && f.table.kept() == 1);
}

TEST(a_socket_that_has_lost_its_port_keeps_its_ends) {
  Fixture f;
  const SocketEnds ends = bound(IPPROTO_UDP, "10.0.0.1", 53);
  f.table.seen(kOwnSpace, {.ends = ends, .cookie = 1, .inode = 77}, 101 * kSecond);
  f.hold(77, {process(5)});
  f.table.ended(kOwnSpace, {.ends = {.protocol = IPPROTO_UDP}, .cookie = 1}, 103 * kSecond);
  f.table.swept(104 * kSecond);
  CHECK(f.table.open() == 0 && f.table.kept() == 1);
  CHECK(pidsOf(f.table.find(ends, 102 * kSecond)) == Pids{5});
  CHECK(f.table.find(ends, 103 * kSecond + 1).gap == Gap::NoSocket);
}

TEST(holders_win_over_the_maker) {
  Fixture f;
  f.table.born(1, 101 * kSecond, process(5));
  f.table.seen(kOwnSpace, {.ends = kConnection, .cookie = 1, .inode = 77}, 102 * kSecond);
  CHECK(f.table.find(kConnection, 102 * kSecond).source == Source::Maker);
  f.hold(77, {process(8)});
  CHECK(pidsOf(f.table.find(kConnection, 102 * kSecond)) == Pids{8});
}

TEST(without_a_maker_an_ended_socket_is_hidden_or_the_listener_s) {
  Fixture f;
  f.table.ended(kOwnSpace, {.ends = kConnection, .cookie = 9}, 102 * kSecond);
  f.table.swept(103 * kSecond);
  CHECK(f.table.find(kConnection, 102 * kSecond).gap == Gap::Hidden);

  const SocketEnds accepted = tcp("10.0.0.1", 80, "192.0.2.9", 5555);
  f.table.seen(kOwnSpace, {.ends = bound(IPPROTO_TCP, "0.0.0.0", 80), .cookie = 2, .inode = 78, .listening = true},
               102 * kSecond);
  f.hold(78, {process(3)});
  f.table.ended(kOwnSpace, {.ends = accepted, .cookie = 10}, 102 * kSecond);
  const Ownership owners = f.table.find(accepted, 102 * kSecond);
  CHECK(owners.source == Source::Listener);
  CHECK(pidsOf(owners) == Pids{3});
}

TEST(reuse_of_a_port_is_said) {
  Fixture f;
  f.table.seen(kOwnSpace, {.ends = kConnection, .cookie = 1, .inode = 77}, 101 * kSecond);
  f.hold(77, {process(5)});
  f.table.ended(kOwnSpace, {.ends = kConnection, .cookie = 1}, 102 * kSecond);
  f.table.seen(kOwnSpace, {.ends = kConnection, .cookie = 2, .inode = 78}, 104 * kSecond);
  f.hold(78, {process(6)});
  f.table.swept(104 * kSecond);
  // The second may have begun at any time since the first has ended, as far as lists tell.
  CHECK(f.table.find(kConnection, 103 * kSecond).gap == Gap::Reused);
  CHECK(f.table.find(kConnection, 104 * kSecond).gap == Gap::Reused);  // a late segment of the first
  CHECK(pidsOf(f.table.find(kConnection, 163 * kSecond)) == Pids{6});

  // The same process: no matter which.
  Fixture same;
  const ProcessPointer one = process(5);
  for (const std::uint64_t cookie : {1, 2}) {
    same.table.born(cookie, (100 + cookie) * kSecond, one);
    same.table.ended(kOwnSpace, {.ends = kConnection, .cookie = cookie}, (101 + cookie) * kSecond);
  }
  same.table.swept(110 * kSecond);
  CHECK(pidsOf(same.table.find(kConnection, 102 * kSecond)) == Pids{5});
}

TEST(makers_tell_a_reused_port_apart) {
  Fixture f;
  f.table.born(1, 101 * kSecond, process(5));
  f.table.ended(kOwnSpace, {.ends = kConnection, .cookie = 1}, 102 * kSecond);
  f.table.born(2, 170 * kSecond, process(6));
  f.table.ended(kOwnSpace, {.ends = kConnection, .cookie = 2}, 171 * kSecond);
  f.table.swept(172 * kSecond);
  CHECK(f.table.find(kConnection, 101 * kSecond).gap == Gap::None);
  CHECK(pidsOf(f.table.find(kConnection, 101 * kSecond)) == Pids{5});
  CHECK(pidsOf(f.table.find(kConnection, 170 * kSecond)) == Pids{6});
}

TEST(unconnected_sockets_receive_for_their_own_addresses_alone) {
  Fixture f;
  f.table.seen(kOwnSpace, {.ends = bound(IPPROTO_UDP, "0.0.0.0", 53), .cookie = 1, .inode = 77}, 101 * kSecond);
  f.hold(77, {process(5)});
  f.table.swept(101 * kSecond);
  CHECK(pidsOf(f.table.find(udp("10.0.0.1", 53, "192.0.2.9", 999), 101 * kSecond)) == Pids{5});
  CHECK(f.table.find(udp("8.8.8.8", 53, "10.0.0.1", 999), 101 * kSecond).gap == Gap::NoSocket);
  CHECK(f.table.find(udp("fd00::1", 53, "fd00::2", 999), 101 * kSecond).gap == Gap::NoSocket);
  // One that is bound to the address is more specific.
  f.table.seen(kOwnSpace, {.ends = bound(IPPROTO_UDP, "10.0.0.1", 53), .cookie = 2, .inode = 78}, 101 * kSecond);
  f.hold(78, {process(6)});
  CHECK(pidsOf(f.table.find(udp("10.0.0.1", 53, "192.0.2.9", 999), 101 * kSecond)) == Pids{6});
  // And once it has ended, it receives nothing.
  f.table.ended(kOwnSpace, {.ends = bound(IPPROTO_UDP, "10.0.0.1", 53), .cookie = 2}, 102 * kSecond);
  f.table.swept(103 * kSecond);
  CHECK(pidsOf(f.table.find(udp("10.0.0.1", 53, "192.0.2.9", 999), 103 * kSecond)) == Pids{5});
}

TEST(a_socket_of_both_versions_and_one_of_ipv6_alone) {
  Fixture f;
  const SocketEnds any = bound(IPPROTO_TCP, "::", 80);
  f.table.seen(kOwnSpace, {.ends = any, .cookie = 1, .inode = 77, .listening = true, .onlyV6 = true}, 101 * kSecond);
  f.hold(77, {process(5)});
  f.table.swept(101 * kSecond);
  CHECK(pidsOf(f.table.find(tcp("fd00::1", 80, "fd00::2", 999), 101 * kSecond)) == Pids{5});
  CHECK(f.table.find(tcp("10.0.0.1", 80, "192.0.2.9", 999), 101 * kSecond).gap == Gap::NoSocket);
  Fixture both;
  both.table.seen(kOwnSpace, {.ends = any, .cookie = 1, .inode = 77, .listening = true}, 101 * kSecond);
  both.hold(77, {process(5)});
  CHECK(pidsOf(both.table.find(tcp("10.0.0.1", 80, "192.0.2.9", 999), 101 * kSecond)) == Pids{5});
}

TEST(sockets_that_share_a_port_are_all_listed) {
  Fixture f;
  for (const std::uint32_t inode : {77U, 78U}) {
    f.table.seen(kOwnSpace,
                 {.ends = bound(IPPROTO_TCP, "0.0.0.0", 80), .cookie = inode, .inode = inode, .listening = true},
                 101 * kSecond);
    f.hold(inode, {process(inode)});
  }
  const Ownership owners = f.table.find(tcp("10.0.0.1", 80, "192.0.2.9", 999), 101 * kSecond);
  CHECK(owners.source == Source::Listener);
  CHECK(owners.processes.size() == 2);
}

TEST(equal_ends_in_two_namespaces_are_said) {
  Fixture f;
  f.table.seen(kOwnSpace, {.ends = kConnection, .cookie = 1, .inode = 77}, 101 * kSecond);
  f.table.seen(4, {.ends = kConnection, .cookie = 2, .inode = 78}, 101 * kSecond);
  f.table.hold([](std::uint32_t inode) { return std::vector<ProcessPointer>{process(inode)}; });
  CHECK(f.table.find(kConnection, 101 * kSecond).gap == Gap::Spaces);
  f.table.drop(4, 102 * kSecond);
  CHECK(f.table.find(kConnection, 101 * kSecond).gap == Gap::Spaces);
  f.table.swept(200 * kSecond);
  CHECK(pidsOf(f.table.find(kConnection, 200 * kSecond)) == Pids{77});
}

TEST(loopback_is_that_of_the_own_namespace) {
  Fixture f;
  const SocketEnds ends = tcp("127.0.0.1", 40000, "127.0.0.1", 80);
  f.table.seen(4, {.ends = ends, .cookie = 2, .inode = 78}, 101 * kSecond);
  f.hold(78, {process(6)});
  f.table.swept(102 * kSecond);
  CHECK(f.table.find(ends, 101 * kSecond).gap == Gap::NoSocket);
  f.table.seen(kOwnSpace, {.ends = ends, .cookie = 1, .inode = 77}, 101 * kSecond);
  f.hold(77, {process(5)});
  CHECK(pidsOf(f.table.find(ends, 101 * kSecond)) == Pids{5});
}

TEST(a_socket_missing_twice_has_ended) {
  Fixture f;
  f.table.seen(kOwnSpace, {.ends = kConnection, .cookie = 1, .inode = 77}, 101 * kSecond);
  f.table.listed(kOwnSpace, 102 * kSecond);
  CHECK(f.table.open() == 1);
  f.table.listed(kOwnSpace, 103 * kSecond);
  CHECK(f.table.open() == 0 && f.table.kept() == 1);
}

TEST(a_socket_that_connects_keeps_its_owners) {
  Fixture f;
  f.table.seen(kOwnSpace, {.ends = bound(IPPROTO_UDP, "10.0.0.1", 5000), .cookie = 1, .inode = 77}, 101 * kSecond);
  f.hold(77, {process(5)});
  const SocketEnds connected = udp("10.0.0.1", 5000, "192.0.2.9", 53);
  f.table.ended(kOwnSpace, {.ends = connected, .cookie = 1}, 103 * kSecond);
  CHECK(f.table.open() == 0 && f.table.kept() == 2);
  f.table.swept(104 * kSecond);
  CHECK(pidsOf(f.table.find(connected, 102 * kSecond)) == Pids{5});
}

TEST(notifications_that_were_dropped_make_the_past_uncertain) {
  Fixture f;
  f.table.missedEnds(105 * kSecond);
  f.table.seen(kOwnSpace, {.ends = kConnection, .cookie = 1, .inode = 77}, 106 * kSecond);
  f.hold(77, {process(5)});
  CHECK(f.table.find(kConnection, 104 * kSecond).gap == Gap::Reused);
  CHECK(f.table.find(kConnection, 106 * kSecond).gap == Gap::None);
}

TEST(memory_and_history_are_bounded) {
  OwnerTable table(64 << 10, 10 * kSecond);
  table.swept(kSecond);
  for (std::uint16_t port = 1; port <= 1000; ++port) {
    table.ended(kOwnSpace, {.ends = tcp("10.0.0.1", port, "192.0.2.9", 443), .cookie = port}, 2 * kSecond + port);
    CHECK(table.bytes() <= 64 << 10);
  }
  CHECK(table.kept() > 100 && table.kept() < 200 && table.refused() == 0);
  for (std::uint16_t port = 1; port <= 1000; ++port) {
    table.seen(kOwnSpace, {.ends = tcp("10.0.0.2", port, "192.0.2.9", 443), .cookie = 5000U + port}, 3 * kSecond);
  }
  CHECK(table.kept() == 0 && table.open() + table.refused() == 1000 && table.refused() > 800);
  for (std::uint64_t cookie = 1; cookie <= 100'000; ++cookie) table.born(1'000'000 + cookie, kSecond, process(1));
  CHECK(table.bytes() < 2 << 20);

  OwnerTable old(1 << 20, 10 * kSecond);
  old.ended(kOwnSpace, {.ends = kConnection, .cookie = 1}, 2 * kSecond);
  old.expire(12 * kSecond, 0);
  CHECK(old.kept() == 1);
  old.expire(12 * kSecond + 1, 0);
  CHECK(old.kept() == 0);
}

// Answers are kept by their stamp and span (record/owner_notes.h): as long as these hold, they are those of find().
TEST(answers_are_steady_within_their_span_until_a_change) {
  support::Choices choices(5);
  const SocketEnds ends[] = {kConnection, tcp("192.0.2.9", 443, "10.0.0.1", 40000),
                             tcp("127.0.0.1", 40000, "127.0.0.1", 443), udp("10.0.0.1", 53, "192.0.2.9", 9),
                             udp("fd00::1", 53, "fd00::2", 9)};
  const SocketEnds sockets[] = {ends[0],
                                ends[2],
                                ends[3],
                                bound(IPPROTO_TCP, "0.0.0.0", 443),
                                bound(IPPROTO_TCP, "::", 40000),
                                bound(IPPROTO_UDP, "10.0.0.1", 53),
                                bound(IPPROTO_UDP, "::", 53)};
  struct Kept {
    std::uint64_t stamp = 0;
    OwnerSpan span;
    Ownership owners;
  };
  std::size_t held = 0, changed = 0;
  for (int round = 0; round < 200; ++round) {
    Fixture f;
    Kept kept[std::size(ends)];
    for (std::uint64_t now = 101; now < 301; ++now) {
      const std::uint64_t time = now * kSecond;
      const std::uint32_t cookie = choices.below(6) + 1;
      const bool listening = cookie > 3;
      const SocketReport report{
          .ends = sockets[choices.below(7)], .cookie = cookie, .inode = cookie, .listening = listening};
      switch (choices.below(12)) {
        case 0: f.table.seen(kOwnSpace, report, time); break;
        case 1: f.table.ended(kOwnSpace, report, time); break;
        case 2: f.table.born(cookie, time, process(cookie)); break;
        case 3: f.hold(cookie, {process(cookie + 10)}); break;
        case 4: f.table.swept(time); break;
        case 5: f.table.listed(kOwnSpace, time); break;
        case 6:
          if (choices.oneIn(8)) f.table.missedEnds(time);
          break;
        case 7: f.table.expire(time, 0); break;
        default: break;
      }
      const std::size_t which = choices.below(std::size(ends));
      const std::uint64_t asked = time - choices.below(90) * kSecond / (choices.oneIn(2) ? 1 : 2);
      const std::uint64_t stamp = f.table.changes().stamp(ends[which]);
      const Ownership owners = f.table.find(ends[which], asked);
      Kept& one = kept[which];
      if (one.stamp == stamp && one.span.contains(asked)) {
        ++held;
        CHECK(one.owners.source == owners.source && one.owners.gap == owners.gap);
        CHECK(one.owners.processes == owners.processes);
      } else {
        ++changed;
        one = {stamp, f.table.steadyAround(ends[which], asked), owners};
        CHECK(f.table.changes().stamp(reversed(ends[which])) == stamp);
      }
    }
  }
  CHECK(held > 1000 && changed > 1000);
}
