// Messages as the kernel sends them, and malformed ones.
#include "core/links/netlink_parse.h"

#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <net/if.h>

#include <cstddef>

#include "support/check.h"
#include "support/choices.h"
#include "support/netlink.h"

using namespace ringtap;
using namespace ringtap::netlink;
using support::attribute;
using support::bytesOf;
using support::operator+;
using support::Payload;
using support::text;

TEST(messagesAreTakenOneByOne) {
  const Payload all = support::message(RTM_NEWLINK, Payload(5, 1)) + support::message(NLMSG_DONE, {}, NLM_F_MULTI);
  Bytes rest = all;
  const auto first = nextMessage(rest);
  CHECK(first && first->type == RTM_NEWLINK && first->payload.size() == 5 && first->sequence == 77);
  const auto second = nextMessage(rest);
  CHECK(second && second->type == NLMSG_DONE && second->flags == NLM_F_MULTI && second->payload.empty());
  CHECK(!nextMessage(rest) && rest.empty());
}

TEST(anImpossibleMessageEndsTheParsing) {
  for (const std::uint32_t length : {0u, 1u, 15u, 22u, 0x7fffffffu, 0xffffffffu}) {
    Payload bytes = support::message(RTM_NEWLINK, Payload(5, 1));
    std::memcpy(bytes.data(), &length, sizeof length);
    bytes.resize(21);  // without the padding: the length 22 exceeds the buffer by one
    Bytes rest = bytes;
    CHECK(!nextMessage(rest) && rest.empty());
  }
  for (std::size_t size = 0; size < sizeof(nlmsghdr); ++size) {
    const Payload bytes(size, 0xff);
    Bytes rest = bytes;
    CHECK(!nextMessage(rest) && rest.empty());
  }
}

TEST(everyAttributeOfADeviceIsRead) {
  const Payload payload =
      support::link(7, "veth7") + attribute(IFLA_ADDRESS, {2, 0, 0, 0, 0, 7}) +
      attribute(IFLA_MASTER, bytesOf(std::uint32_t{3})) + attribute(IFLA_LINK, bytesOf(std::uint32_t{8})) +
      attribute(IFLA_LINK_NETNSID, bytesOf(std::int32_t{2})) + attribute(IFLA_PROMISCUITY, bytesOf(std::uint32_t{1})) +
      attribute(IFLA_LINKINFO | NLA_F_NESTED, attribute(IFLA_INFO_KIND, text("veth"))) +
      attribute(IFLA_PROP_LIST | NLA_F_NESTED,
                attribute(IFLA_ALT_IFNAME, text("one")) + attribute(IFLA_ALT_IFNAME, text("two")));
  const auto link = parseLink(payload);
  CHECK(link.has_value());
  if (!link) return;
  const InterfaceInfo& info = link->info;
  CHECK(info.index == 7 && info.name == "veth7" && info.mtu == 1500 && info.hardwareType == 1);
  CHECK(info.address == Payload({2, 0, 0, 0, 0, 7}) && info.kind == "veth");
  CHECK(info.master == 3 && info.peerIndex == 8 && info.peerNetnsId == 2);
  CHECK(info.alternativeNames == std::vector<std::string>({"one", "two"}));
  CHECK(info.flags == (0x1003u | IFF_PROMISC));
}

namespace {

Payload counters(std::size_t size = sizeof(rtnl_link_stats64)) {
  rtnl_link_stats64 all{};
  all.rx_errors = 1;
  all.rx_dropped = std::uint64_t{1} << 40;
  all.rx_over_errors = 3;
  all.rx_fifo_errors = 4;
  all.rx_missed_errors = 5;
  all.tx_dropped = 6;
  all.rx_nohandler = 7;
  Payload bytes = bytesOf(all);
  bytes.resize(size);
  return bytes;
}
const DeviceLosses kLosses{.dropped = std::uint64_t{1} << 40, .missed = 5, .errors = 1, .overruns = 3, .fifo = 4};

Payload statisticsHeader(std::uint32_t index) {
  if_stats_msg header{};
  header.ifindex = index;
  header.filter_mask = 1;
  return bytesOf(header);
}

}  // namespace

TEST(countersOfLossesAreRead) {
  const Payload link = support::link(7, "a");
  CHECK(parseLink(link) && !parseLink(link)->losses);
  CHECK(parseLink(link + attribute(IFLA_STATS64, counters()))->losses == kLosses);
  CHECK(parseLinkRemoval(support::linkHeader(7) + attribute(IFLA_STATS64, counters()))->losses == kLosses);
  const auto answer = parseLinkStatistics(statisticsHeader(7) + attribute(IFLA_STATS_LINK_64, counters()));
  CHECK(answer && answer->index == 7 && answer->losses == kLosses);
  // Older kernels have fewer counters after these, newer ones more.
  constexpr std::size_t needed = offsetof(rtnl_link_stats64, rx_missed_errors) + 8;
  CHECK(parseLink(link + attribute(IFLA_STATS64, counters(needed)))->losses == kLosses);
  CHECK(parseLink(link + attribute(IFLA_STATS64, counters(1000)))->losses == kLosses);
  for (std::size_t size = 0; size < needed; ++size) {
    CHECK(!parseLink(link + attribute(IFLA_STATS64, counters(size))));
    CHECK(!parseLinkStatistics(statisticsHeader(7) + attribute(IFLA_STATS_LINK_64, counters(size))));
  }
  CHECK(!parseLinkStatistics(statisticsHeader(7)) && !parseLinkStatistics(statisticsHeader(0)));
  CHECK(!parseLinkStatistics(statisticsHeader(0) + attribute(IFLA_STATS_LINK_64, counters())));
}

TEST(aCounterThatWasResetCountsFromZero) {
  const DeviceLosses before{.dropped = 10, .missed = 1, .errors = 7, .overruns = 0, .fifo = 2};
  const DeviceLosses now{.dropped = 15, .missed = 1, .errors = 3, .overruns = 9, .fifo = 2};
  // A counter that was reset counts from 0.
  CHECK(now.since(before) == DeviceLosses({.dropped = 5, .missed = 0, .errors = 0, .overruns = 9, .fifo = 0}));
}

TEST(messagesWithoutADeviceAreIgnored) {
  CHECK(parseLink(support::link(7, "br-port")));
  CHECK(!parseLink(support::link(7, "br-port", AF_BRIDGE)));
  CHECK(!parseLink(support::link(0, "none")) && !parseLink(support::link(-1, "none")));
  CHECK(!parseLink(support::link(7, "")));
  CHECK(!parseLink(support::link(7, "wlan0") + attribute(IFLA_WIRELESS, Payload(8))));
  CHECK(!parseLink(support::linkHeader(7) + attribute(IFLA_IFNAME, text("nomtu"))));
  CHECK(!parseLink(support::linkHeader(7) + attribute(IFLA_MTU, bytesOf(std::uint32_t{1}))));
  const auto gone = parseLinkRemoval(support::linkHeader(7));
  CHECK(gone && gone->index == 7 && !gone->losses);
  CHECK(!parseLinkRemoval(support::linkHeader(7, AF_BRIDGE)) && !parseLinkRemoval(support::linkHeader(0)));
}

TEST(anImpossibleAttributeInvalidatesTheMessage) {
  CHECK(!parseLink(support::link(7, "a") + attribute(IFLA_MASTER, {1, 2})));  // too short for a number
  for (const std::uint16_t length : {0, 3, 9, 0xffff}) {
    Payload bad = attribute(IFLA_ADDRESS, {1, 2, 3, 4});
    std::memcpy(bad.data(), &length, sizeof length);
    CHECK(!parseLink(support::link(7, "a") + bad));
    CHECK(!parseLink(support::link(7, "a") + attribute(IFLA_LINKINFO, bad)));
  }
  // Every prefix of a valid message: parses nothing or a part, and never reads past the end.
  const Payload whole = support::link(7, "name") + attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, text("bridge")));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Payload part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    (void)parseLink(part);
    (void)parseLinkRemoval(part);
    (void)parseAddress(part);
    (void)parseStatus(part);
  }
}

TEST(namesEndAtNulOrWithTheAttribute) {
  Payload unended{'e', 't', 'h'};
  const auto link = parseLink(support::linkHeader(1) + attribute(IFLA_MTU, bytesOf(std::uint32_t{1})) +
                              attribute(IFLA_IFNAME, unended));
  CHECK(link && link->info.name == "eth");
  const auto cut = parseLink(support::linkHeader(1) + attribute(IFLA_MTU, bytesOf(std::uint32_t{1})) +
                             attribute(IFLA_IFNAME, {'a', 0, 'b'}));
  CHECK(cut && cut->info.name == "a");
}

TEST(addressesOfBothFamiliesAreRead) {
  const Payload local{10, 0, 0, 1};
  const Payload peer{10, 0, 0, 2};
  const auto both =
      parseAddress(support::addressHeader(3, AF_INET, 32) + attribute(IFA_LOCAL, local) + attribute(IFA_ADDRESS, peer));
  CHECK(both && both->index == 3 && both->address.bytes[3] == 1 && both->peer[3] == 2);
  const auto one = parseAddress(support::addressHeader(3, AF_INET6, 64) + attribute(IFA_ADDRESS, Payload(16, 9)));
  CHECK(one && one->address.bytes[15] == 9 && one->peer == one->address.bytes && one->address.prefixLength == 64);

  CHECK(!parseAddress(support::addressHeader(3, AF_INET, 33) + attribute(IFA_LOCAL, local)));
  CHECK(!parseAddress(support::addressHeader(3, AF_INET6, 129) + attribute(IFA_LOCAL, Payload(16, 1))));
  CHECK(!parseAddress(support::addressHeader(3, AF_INET, 8) + attribute(IFA_LOCAL, Payload(16, 1))));
  CHECK(!parseAddress(support::addressHeader(3, AF_INET6, 8) + attribute(IFA_LOCAL, local)));
  CHECK(!parseAddress(support::addressHeader(0, AF_INET, 8) + attribute(IFA_LOCAL, local)));
  CHECK(!parseAddress(support::addressHeader(3, AF_BRIDGE, 8) + attribute(IFA_LOCAL, local)));
  CHECK(!parseAddress(support::addressHeader(3, AF_INET, 8)));
}

TEST(statusesArePositiveErrnos) {
  CHECK(parseStatus(bytesOf(0)) == 0 && parseStatus(bytesOf(-19)) == 19);
  CHECK(parseStatus({}) == EPROTO && parseStatus(Payload(3, 0)) == EPROTO);
  for (const int number : {1, 19, -4096, static_cast<int>(0x80000000)}) CHECK(parseStatus(bytesOf(number)) == EPROTO);
}

TEST(namespaceIdsAreReadUnlessThereIsNone) {
  const Payload header = bytesOf(std::uint32_t{0});  // rtgenmsg, with padding
  const auto withId = [&](std::int32_t id) { return header + attribute(NETNSA_NSID, bytesOf(id)); };
  CHECK(parseNamespaceId(withId(0)) == 0 && parseNamespaceId(withId(7)) == 7);
  CHECK(!parseNamespaceId(withId(NETNSA_NSID_NOT_ASSIGNED)));
  CHECK(!parseNamespaceId(header) && !parseNamespaceId({}));
  CHECK(!parseNamespaceId(header + attribute(NETNSA_NSID, Payload(3, 0))));
  CHECK(parseNamespaceId(header + attribute(NETNSA_CURRENT_NSID, bytesOf(5)) + attribute(NETNSA_NSID, bytesOf(3))) ==
        3);
}

TEST(randomBytesAreReadWithinTheirBounds) {
  support::Choices choices(31);
  const Payload sound = support::message(
      RTM_NEWLINK, support::link(7, "name") + attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, text("bridge"))));
  for (int round = 0; round < 20000; ++round) {
    Payload bytes = sound;
    for (std::uint32_t i = 1 + choices.below(4); i > 0; --i) {
      bytes[choices.below(static_cast<std::uint32_t>(bytes.size()))] = static_cast<std::uint8_t>(choices.any());
    }
    bytes.resize(bytes.size() - choices.below(8));
    Bytes rest = bytes;
    while (const auto message = nextMessage(rest)) {
      (void)parseLink(message->payload);
      (void)parseAddress(message->payload);
      (void)parseNamespaceId(message->payload);
    }
  }
}
