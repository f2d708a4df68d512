#include "core/owners/socket_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringtap {

namespace {

using netlink::Bytes;

// Attributes of struct inet_diag_msg that headers of older C libraries lack (linux/inet_diag.h).
constexpr std::uint16_t kProtocol = 10;  // INET_DIAG_PROTOCOL
constexpr std::uint16_t kOnlyV6 = 11;    // INET_DIAG_SKV6ONLY

constexpr std::uint32_t kDestroyGroups = 1U << (SKNLGRP_INET_TCP_DESTROY - 1) | 1U << (SKNLGRP_INET_UDP_DESTROY - 1) |
                                         1U << (SKNLGRP_INET6_TCP_DESTROY - 1) | 1U << (SKNLGRP_INET6_UDP_DESTROY - 1);
// Bytes; some 10 000 notifications.
constexpr int kDestroyBuffer = 8 << 20;

// All states but TIME_WAIT and the two of a connection that is not a socket yet (net/tcp_states.h).
constexpr std::uint32_t kStates = 0xfff & ~(1U << TCP_TIME_WAIT | 1U << TCP_SYN_RECV);

constexpr int kAttempts = 8;

void readAttributes(Bytes rest, SocketReport& report) {
  nlattr header;
  while (rest.size() > sizeof header) {
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > rest.size()) return;
    const std::uint16_t type = header.nla_type & NLA_TYPE_MASK;
    const std::uint8_t value = header.nla_len > sizeof header ? rest[sizeof header] : 0;
    if (type == kProtocol && report.ends.protocol == 0) report.ends.protocol = value;
    if (type == kOnlyV6) report.onlyV6 = value != 0;
    rest = rest.subspan(std::min<std::size_t>(rest.size(), NLA_ALIGN(header.nla_len)));
  }
}

}  // namespace

std::optional<SocketReport> parseSocketReport(Bytes payload, std::uint8_t protocol) {
  inet_diag_msg message;
  if (payload.size() < sizeof message) return std::nullopt;
  std::memcpy(&message, payload.data(), sizeof message);
  if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6) return std::nullopt;
  SocketReport report;
  report.ends = {.protocol = protocol,
                 .localPort = ntohs(message.id.idiag_sport),
                 .remotePort = ntohs(message.id.idiag_dport),
                 .local = ownerAddress(message.idiag_family, message.id.idiag_src),
                 .remote = ownerAddress(message.idiag_family, message.id.idiag_dst)};
  report.cookie = std::uint64_t{message.id.idiag_cookie[1]} << 32 | message.id.idiag_cookie[0];
  report.inode = message.idiag_inode;
  readAttributes(payload.subspan(sizeof message), report);
  if (report.ends.protocol != IPPROTO_TCP && report.ends.protocol != IPPROTO_UDP) return std::nullopt;
  report.listening = report.ends.protocol == IPPROTO_TCP && message.idiag_state == TCP_LISTEN;
  if (report.ends.remotePort == 0) report.ends.remote = {};
  return report;
}

Result<SocketDiag> SocketDiag::open() {
  auto ends = netlink::Socket::open(kDestroyGroups, kDestroyBuffer, NETLINK_SOCK_DIAG);
  if (!ends) return std::move(ends.error());
  auto requests = netlink::Socket::open(0, 0, NETLINK_SOCK_DIAG);
  if (!requests) return std::move(requests.error());
  return SocketDiag(std::move(*requests), std::move(*ends));
}

// False: part of the reply was lost.
Result<bool> SocketDiag::listOnce(std::uint8_t family, std::uint8_t protocol, std::vector<SocketReport>& into) {
  struct {
    nlmsghdr message;
    inet_diag_req_v2 request;
  } query{};
  query.message = {.nlmsg_len = sizeof query,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                   .nlmsg_seq = ++sequence_,
                   .nlmsg_pid = 0};
  query.request.sdiag_family = family;
  query.request.sdiag_protocol = protocol;
  query.request.idiag_states = kStates;
  if (auto sent = requests_.send(&query, sizeof query); !sent) return std::move(sent.error());
  bool whole = true;
  for (;;) {
    auto received = requests_.receive();
    if (!received) return std::move(received.error());
    if (received->state != netlink::Received::State::Bytes) {
      whole = false;
      continue;
    }
    Bytes rest = received->bytes;
    while (auto message = netlink::nextMessage(rest)) {
      if (message->sequence != sequence_) continue;
      if (message->type == NLMSG_DONE || message->type == NLMSG_ERROR) {
        const int number = netlink::parseStatus(message->payload);
        // The kernel has no such protocol or family, or not this part of it (CONFIG_INET_UDP_DIAG, a module).
        if (number == 0 || number == ENOENT || number == EINVAL) return whole;
        errno = number;
        return Error::fromErrno("recvmsg", "cannot list the sockets of a network namespace");
      }
      auto report = parseSocketReport(message->payload, protocol);
      if (report && report->ends.localPort != 0) into.push_back(*report);
    }
  }
}

Result<> SocketDiag::list(std::vector<SocketReport>& into) {
  for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
    for (const std::uint8_t family : {AF_INET, AF_INET6}) {
      for (int attempt = 1;; ++attempt) {
        const std::size_t before = into.size();
        auto whole = listOnce(family, protocol, into);
        if (!whole) return std::move(whole.error());
        if (*whole || attempt == kAttempts) break;
        into.resize(before);
      }
    }
  }
  return {};
}

Result<bool> SocketDiag::ended(std::vector<SocketReport>& into) {
  bool whole = true;
  for (;;) {
    auto received = ends_.receive();
    if (!received) return std::move(received.error());
    if (received->state == netlink::Received::State::Nothing) return whole;
    if (received->state != netlink::Received::State::Bytes) {
      whole = false;
      continue;
    }
    Bytes rest = received->bytes;
    while (auto message = netlink::nextMessage(rest)) {
      if (message->type != SOCK_DIAG_BY_FAMILY) continue;
      if (auto report = parseSocketReport(message->payload, 0)) into.push_back(*report);
    }
  }
}

}  // namespace ringtap
