// What is read from the kernel's texts and messages about sockets and processes.
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <netinet/tcp.h>

#include <cstring>
#include <vector>

#include "core/owners/processes.h"
#include "core/owners/socket_births.h"
#include "core/owners/socket_diag.h"
#include "support/check.h"

using namespace ringtap;

namespace {

std::vector<std::uint8_t> report(std::uint8_t family, std::uint8_t state, const char* local, std::uint16_t port) {
  inet_diag_msg message{};
  message.idiag_family = family;
  message.idiag_state = state;
  message.id.idiag_sport = htons(port);
  CHECK(inet_pton(family, local, message.id.idiag_src) == 1);
  message.id.idiag_cookie[0] = 0x44332211;
  message.id.idiag_cookie[1] = 0x88776655;
  message.idiag_inode = 4711;
  std::vector<std::uint8_t> bytes(sizeof message);
  std::memcpy(bytes.data(), &message, sizeof message);
  return bytes;
}

void addAttribute(std::vector<std::uint8_t>& bytes, std::uint16_t type, std::uint8_t value) {
  const nlattr header{.nla_len = sizeof(nlattr) + 1, .nla_type = type};
  const auto* from = reinterpret_cast<const std::uint8_t*>(&header);
  bytes.insert(bytes.end(), from, from + sizeof header);
  bytes.insert(bytes.end(), {value, 0, 0, 0});
}

}  // namespace

TEST(a_listener_of_ipv4) {
  const auto bytes = report(AF_INET, TCP_LISTEN, "10.1.2.3", 80);
  const auto read = parseSocketReport(bytes, IPPROTO_TCP);
  CHECK(read.has_value());
  CHECK(read->ends.protocol == IPPROTO_TCP && read->ends.localPort == 80 && read->ends.remotePort == 0);
  CHECK(isMapped(read->ends.local) && read->ends.local[12] == 10 && read->ends.local[15] == 3);
  CHECK(read->ends.remote == OwnerAddress{});
  CHECK(read->cookie == 0x8877665544332211 && read->inode == 4711 && read->listening && !read->onlyV6);
}

TEST(attributes_of_a_report) {
  auto bytes = report(AF_INET6, TCP_CLOSE, "fd00::5", 53);
  CHECK(!parseSocketReport(bytes, 0).has_value());  // of no protocol
  addAttribute(bytes, 8, 3);
  addAttribute(bytes, 10, IPPROTO_UDP);
  addAttribute(bytes, 11, 1);
  const auto read = parseSocketReport(bytes, 0);
  CHECK(read && read->ends.protocol == IPPROTO_UDP && read->onlyV6 && !read->listening);
  CHECK(read && !isMapped(read->ends.local));
  // An attribute that claims to be longer than the message ends the reading.
  bytes[sizeof(inet_diag_msg)] = 0xff;
  CHECK(!parseSocketReport(bytes, 0).has_value());
}

TEST(a_socket_that_never_had_a_port) {
  const auto read = parseSocketReport(report(AF_INET, TCP_CLOSE, "0.0.0.0", 0), IPPROTO_TCP);
  CHECK(read && read->ends.localPort == 0 && read->cookie == 0x8877665544332211);
}

TEST(reports_that_are_none) {
  const auto bytes = report(AF_INET, TCP_ESTABLISHED, "10.1.2.3", 80);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    CHECK(!parseSocketReport(netlink::Bytes(bytes).first(length), IPPROTO_TCP).has_value());
  }
  auto other = bytes;
  other[0] = AF_UNIX;
  CHECK(!parseSocketReport(other, IPPROTO_TCP).has_value());
}

TEST(stat_of_a_process) {
  const std::string tail = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21\n";
  const auto plain = parseProcessStat("42 (curl)" + tail);
  CHECK(plain && plain->name == "curl" && plain->started == 987654);
  const auto odd = parseProcessStat("42 (a) (b) c)" + tail);
  CHECK(odd && odd->name == "a) (b) c" && odd->started == 987654);
  for (const char* text : {"", "42", "42 (x", "42 (x)", "42 (x) S 1 2", ") ("}) CHECK(!parseProcessStat(text));
}

TEST(mount_of_control_groups) {
  CHECK(groupMount("25 30 0:23 / /sys rw shared:7 - sysfs sysfs rw\n"
                   "31 25 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n") == "/sys/fs/cgroup");
  CHECK(groupMount("31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 none rw") == "/sys/fs/cgroup/unified");
  CHECK(groupMount("31 25 0:27 / /sys/fs/cgroup rw - cgroup cgroup rw\n").empty());
  CHECK(groupMount("").empty());
  CHECK(groupMount(" - cgroup2 ").empty());
}
