// Adds one nftables rule to its network namespace: logs every IPv4 packet that this host sends to a netfilter log
// group, which libpcap captures from as the device nflog:GROUP. Spares the tests a dependency on nft(8).
//
//   nflog_rule GROUP

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace {

// A batch of netlink messages, the form that nfnetlink requires for a transaction.
class Batch {
 public:
  using Fill = std::function<void()>;

  void message(std::uint16_t type, std::uint16_t flags, std::uint16_t resource, std::uint8_t family, const Fill& fill) {
    const std::size_t start = bytes_.size();
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = ++sequence_;
    append(&header, sizeof header);
    const nfgenmsg general{family, NFNETLINK_V0, htons(resource)};
    append(&general, sizeof general);
    fill();
    const auto length = static_cast<std::uint32_t>(bytes_.size() - start);
    std::memcpy(&bytes_[start + offsetof(nlmsghdr, nlmsg_len)], &length, sizeof length);
  }
  void table(std::uint16_t type, std::uint16_t flags, const Fill& fill) {
    message(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags | NLM_F_ACK, 0, NFPROTO_IPV4, fill);
  }

  void attribute(std::uint16_t type, const void* data, std::size_t size) {
    const nlattr header{static_cast<std::uint16_t>(NLA_HDRLEN + size), type};
    append(&header, sizeof header);
    append(data, size);
  }
  void text(std::uint16_t type, const char* value) { attribute(type, value, std::strlen(value) + 1); }
  void number(std::uint16_t type, std::uint32_t value) {
    value = htonl(value);
    attribute(type, &value, sizeof value);
  }
  void nest(std::uint16_t type, const Fill& fill) {
    const std::size_t start = bytes_.size();
    attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED), nullptr, 0);
    fill();
    const auto length = static_cast<std::uint16_t>(bytes_.size() - start);
    std::memcpy(&bytes_[start], &length, sizeof length);
  }

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  void append(const void* data, std::size_t size) {
    const auto* from = static_cast<const std::uint8_t*>(data);
    if (size > 0) bytes_.insert(bytes_.end(), from, from + size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }

  std::vector<std::uint8_t> bytes_;
  std::uint32_t sequence_ = 0;
};

int fail(const char* what, int number) {
  std::fprintf(stderr, "nflog_rule: %s: %s\n", what, std::strerror(number));
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  char* end = nullptr;
  const unsigned long group = count == 2 ? std::strtoul(arguments[1], &end, 10) : 65536;
  if (group > 65535 || *end != '\0') {
    std::fputs("usage: nflog_rule GROUP\n", stderr);
    return 2;
  }
  const std::string table = "nflog" + std::to_string(group);

  Batch batch;
  batch.message(NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES, AF_UNSPEC, [] {});
  batch.table(NFT_MSG_NEWTABLE, NLM_F_CREATE, [&] { batch.text(NFTA_TABLE_NAME, table.c_str()); });
  batch.table(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [&] {
    batch.text(NFTA_CHAIN_TABLE, table.c_str());
    batch.text(NFTA_CHAIN_NAME, "sent");
    batch.text(NFTA_CHAIN_TYPE, "filter");
    batch.nest(NFTA_CHAIN_HOOK, [&] {
      batch.number(NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
      batch.number(NFTA_HOOK_PRIORITY, 0);
    });
  });
  batch.table(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [&] {
    batch.text(NFTA_RULE_TABLE, table.c_str());
    batch.text(NFTA_RULE_CHAIN, "sent");
    batch.nest(NFTA_RULE_EXPRESSIONS, [&] {
      batch.nest(NFTA_LIST_ELEM, [&] {
        batch.text(NFTA_EXPR_NAME, "log");
        batch.nest(NFTA_EXPR_DATA, [&] {
          const std::uint16_t number = htons(static_cast<std::uint16_t>(group));
          batch.attribute(NFTA_LOG_GROUP, &number, sizeof number);
        });
      });
    });
  });
  batch.message(NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES, AF_UNSPEC, [] {});

  const int netlink = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (netlink < 0) return fail("socket", errno);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const auto& bytes = batch.bytes();
  if (::sendto(netlink, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) < 0) {
    return fail("sendto", errno);
  }
  // One reply per message; if one is refused, the whole transaction is aborted.
  alignas(nlmsghdr) char answer[8192];
  for (int answers = 0; answers < 3;) {
    const ssize_t length = ::recv(netlink, answer, sizeof answer, 0);
    if (length < 0) return fail("recv", errno);
    auto left = static_cast<std::uint32_t>(length);
    for (auto* header = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type != NLMSG_ERROR) continue;
      if (const int number = -static_cast<nlmsgerr*>(NLMSG_DATA(header))->error; number != 0) {
        return fail("the rule was refused", number);
      }
      ++answers;
    }
  }
  ::close(netlink);
  return 0;
}
