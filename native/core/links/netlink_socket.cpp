#include "core/links/netlink_socket.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstring>
#include <utility>

// Missing in the headers of older C libraries (Linux 5.12).
#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

namespace ringtap::netlink {

namespace {

static_assert(NETLINK_ROUTE == 0, "the default protocol in the header");

// IFLA_TARGET_NETNSID, which older headers name IFLA_IF_NETNSID (Linux 4.15).
constexpr std::uint16_t kTargetNetnsId = 46;

// After this many interrupted dumps in succession the last one is used: the notifications of the changes that
// interrupted it wait on the other socket.
constexpr int kDumpAttempts = 64;

// An Error from the error number in the kernel's reply.
Error answered(int number, const char* what) {
  errno = number;
  return Error::fromErrno("recvmsg", what);
}

}  // namespace

Result<Socket> Socket::open(std::uint32_t groups, int receiveBuffer, int protocol) {
  const int nonBlocking = groups != 0 ? SOCK_NONBLOCK : 0;
  Socket socket(UniqueFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | nonBlocking, protocol)));
  if (!socket.fd_) return Error::fromErrno("socket", "cannot open a netlink socket");

  if (receiveBuffer > 0) {
    const auto size = static_cast<socklen_t>(sizeof receiveBuffer);
    if (setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &receiveBuffer, size) != 0) {
      // A smaller buffer is acceptable: an overflow causes another dump, but no wrong state.
      (void)setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &receiveBuffer, size);
    }
  }
  // Lets the kernel filter a dump (Linux 4.20); older kernels send more, which is filtered here.
  const int on = 1;
  (void)setsockopt(socket.fd(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);

  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  self.nl_groups = groups;
  if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0) {
    return Error::fromErrno("bind", "cannot subscribe to notifications of the kernel");
  }
  return socket;
}

Result<Received> Socket::receive() {
  for (;;) {
    sockaddr_nl from{};
    iovec part{buffer_.data(), buffer_.size()};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    // MSG_TRUNC: returns the full length, also of a message that did not fit.
    const ssize_t length = recvmsg(fd_.get(), &header, MSG_TRUNC);
    if (length < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Received{Received::State::Nothing, {}};
      if (errno == ENOBUFS) return Received{Received::State::Overflow, {}};
      return Error::fromErrno("recvmsg", "cannot read from a netlink socket");
    }
    // Other processes may send to this socket; only messages from the kernel are accepted.
    if (header.msg_namelen < sizeof from || from.nl_family != AF_NETLINK || from.nl_pid != 0) continue;

    const auto size = static_cast<std::size_t>(length);
    if (size > buffer_.size()) {
      buffer_.resize(size + size / 2);
      return Received{Received::State::Truncated, {}};
    }
    return Received{Received::State::Bytes, Bytes(buffer_.data(), size)};
  }
}

Result<> Socket::send(const void* request, std::size_t length) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const ssize_t sent =
        sendto(fd_.get(), request, length, 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent >= 0) return {};
    if (errno != EINTR) return Error::fromErrno("sendto", "cannot send a request to the kernel");
  }
}

Result<Requester> Requester::open() {
  auto socket = Socket::open(0, 0);
  if (!socket) return std::move(socket.error());
  return Requester(std::move(*socket));
}

// Calls visit(message) for each message of the reply. ENOBUFS: part of the reply was lost, repeat the request.
template <typename Header, typename Visit>
Result<Requester::Outcome> Requester::ask(std::uint16_t type, std::uint16_t flags, const Header& header,
                                          std::span<const Attribute> attributes, Visit visit) {
  static_assert(sizeof(Header) % NLMSG_ALIGNTO == 0);
  constexpr std::size_t maxAttributes = 2;
  struct {
    nlmsghdr message;
    Header header;
    struct {
      nlattr head;
      std::uint32_t value;
    } attributes[maxAttributes];
  } request{};
  static_assert(sizeof request == sizeof(nlmsghdr) + sizeof(Header) + maxAttributes * sizeof(std::uint64_t));
  if (attributes.size() > maxAttributes) return Outcome{.number = EINVAL};
  const std::size_t length = offsetof(decltype(request), attributes) + attributes.size() * sizeof request.attributes[0];
  request.message.nlmsg_len = static_cast<std::uint32_t>(length);
  request.message.nlmsg_type = type;
  request.message.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  request.message.nlmsg_seq = ++sequence_;
  request.header = header;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    request.attributes[i].head = {.nla_len = sizeof(nlattr) + sizeof(std::uint32_t), .nla_type = attributes[i].type};
    request.attributes[i].value = attributes[i].value;
  }
  if (auto sent = socket_.send(&request, length); !sent) return std::move(sent.error());

  const bool dumping = (flags & NLM_F_DUMP) == NLM_F_DUMP;
  bool lost = false;
  Outcome outcome;
  for (;;) {
    auto received = socket_.receive();
    if (!received) return std::move(received.error());
    if (received->state != Received::State::Bytes) {
      lost = true;
      // The rest of a dump still follows, up to its end; a reply that is no dump has no further message.
      if (!dumping) return Outcome{.number = ENOBUFS};
      continue;
    }
    Bytes rest = received->bytes;
    while (auto message = nextMessage(rest)) {
      if (message->sequence != sequence_) continue;
      if ((message->flags & NLM_F_DUMP_INTR) != 0) outcome.interrupted = true;
      if (message->type == NLMSG_DONE || message->type == NLMSG_ERROR) {
        outcome.number = lost ? ENOBUFS : parseStatus(message->payload);
        return outcome;
      }
      visit(*message);
      if (!dumping) return outcome;
    }
  }
}

template <typename Header, typename Start, typename Visit>
Result<Requester::Outcome> Requester::dump(std::uint16_t type, const Header& header, std::uint32_t extendedMask,
                                           Start start, Visit visit) {
  for (int attempt = 1;; ++attempt) {
    start();
    // The attribute is omitted if it is zero: under strict checking the kernel refuses attributes it does not expect.
    const Attribute mask[] = {{IFLA_EXT_MASK, extendedMask}};
    auto outcome = ask(type, NLM_F_DUMP, header, std::span(mask).first(extendedMask == 0 ? 0 : 1), visit);
    if (!outcome) return outcome;
    const bool again = outcome->interrupted || outcome->number == ENOBUFS || outcome->number == EINTR;
    if (!again || attempt >= kDumpAttempts) return outcome;
  }
}

Result<Snapshot> Requester::snapshot() {
  Snapshot snapshot;
  ifinfomsg everyLink{};
  auto links = dump(
      RTM_GETLINK, everyLink, RTEXT_FILTER_SKIP_STATS, [&] { snapshot.links.clear(); },
      [&](const Message& message) {
        if (message.type != RTM_NEWLINK) return;
        if (auto parsed = parseLink(message.payload)) snapshot.links.push_back(std::move(parsed->info));
      });
  if (!links) return std::move(links.error());
  if (links->number != 0) return answered(links->number, "cannot list the network interfaces");

  auto addresses = this->addresses(0);
  if (!addresses) return std::move(addresses.error());
  snapshot.addresses = std::move(*addresses);
  return snapshot;
}

Result<std::vector<AddressMessage>> Requester::addresses(std::uint32_t index) {
  std::vector<AddressMessage> addresses;
  ifaddrmsg header{};
  header.ifa_index = index;
  auto outcome = dump(
      RTM_GETADDR, header, 0, [&] { addresses.clear(); },
      [&](const Message& message) {
        if (message.type != RTM_NEWADDR) return;
        auto parsed = parseAddress(message.payload);
        if (parsed && (index == 0 || parsed->index == index)) addresses.push_back(*parsed);
      });
  if (!outcome) return std::move(outcome.error());
  if (outcome->number == ENODEV && index != 0) return std::vector<AddressMessage>{};
  if (outcome->number != 0) return answered(outcome->number, "cannot list the addresses of the network interfaces");
  return addresses;
}

Result<std::map<std::uint32_t, DeviceLosses>> Requester::losses() {
  std::map<std::uint32_t, DeviceLosses> losses;
  if_stats_msg header{};
  header.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
  auto outcome = dump(
      RTM_GETSTATS, header, 0, [&] { losses.clear(); },
      [&](const Message& message) {
        if (message.type != RTM_NEWSTATS) return;
        if (const auto one = parseLinkStatistics(message.payload)) losses.insert_or_assign(one->index, one->losses);
      });
  if (!outcome) return std::move(outcome.error());
  if (outcome->number != 0 && outcome->number != EOPNOTSUPP) {
    return answered(outcome->number, "cannot read the counters of the network interfaces");
  }
  return losses;
}

Result<std::optional<InterfaceInfo>> Requester::link(std::uint32_t index) {
  const Attribute mask[] = {{IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS}};
  return linkOf(index, mask);
}

Result<std::optional<InterfaceInfo>> Requester::linkIn(std::int32_t namespaceId, std::uint32_t index) {
  const Attribute attributes[] = {{IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS},
                                  {kTargetNetnsId, static_cast<std::uint32_t>(namespaceId)}};
  return linkOf(index, attributes);
}

Result<std::optional<InterfaceInfo>> Requester::linkOf(std::uint32_t index, std::span<const Attribute> attributes) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(index);
  for (int attempt = 1;; ++attempt) {
    std::optional<InterfaceInfo> info;
    auto outcome = ask(RTM_GETLINK, 0, header, attributes, [&](const Message& message) {
      if (message.type != RTM_NEWLINK) return;
      if (auto parsed = parseLink(message.payload); parsed && parsed->info.index == index)
        info = std::move(parsed->info);
    });
    if (!outcome) return std::move(outcome.error());
    if (outcome->number == 0 || outcome->number == ENODEV || outcome->number == EINVAL) return info;
    if (outcome->number != ENOBUFS || attempt >= kDumpAttempts) {
      return answered(outcome->number, "cannot ask for a network interface");
    }
  }
}

std::optional<std::int32_t> Requester::namespaceIdOf(int fd) {
  return namespaceId({NETNSA_FD, static_cast<std::uint32_t>(fd)});
}

std::optional<std::int32_t> Requester::namespaceIdOfProcess(std::uint32_t pid) {
  return namespaceId({NETNSA_PID, pid});
}

std::optional<std::int32_t> Requester::namespaceId(Attribute of) {
  struct {
    rtgenmsg header;
    std::uint8_t padding[NLMSG_ALIGNTO - sizeof(rtgenmsg)];
  } header{};
  std::optional<std::int32_t> id;
  (void)ask(RTM_GETNSID, 0, header, {&of, 1}, [&](const Message& message) {
    if (message.type == RTM_NEWNSID) id = parseNamespaceId(message.payload);
  });
  return id;
}

}  // namespace ringtap::netlink
