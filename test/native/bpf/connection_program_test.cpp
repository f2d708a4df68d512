// The classic mode's search for connections, and user space, compared with the reference implementation.
#include "core/bpf/connection_program.h"

#include "core/bpf/connection_locator.h"
#include "core/filter/filter_interpreter.h"
#include "support/check.h"
#include "support/connections.h"
#include "support/random_filter.h"
#include "support/stores_before_loads.h"

using namespace ringtap;
using support::Choices;
using support::Connections;
using support::storesBeforeLoads;

namespace {

using Bytes = std::vector<std::uint8_t>;

FilterProgram programOf(const Connections& connections) {
  FilterProgram program = assembleConnections(ConnectionSet(connections));
  program.push_back(support::op(BPF_RET | BPF_K, 1));
  CHECK(program.size() > kMaxFilterInstructions || validateFilter(program).ok());
  return program;
}

bool passes(const FilterProgram& program, const Bytes& bytes, std::uint16_t hardwareType) {
  PacketMetadata metadata;
  metadata.hardwareType = hardwareType;
  return runFilter(program, bytes, static_cast<std::uint32_t>(bytes.size()), metadata) == 1;
}

}  // namespace

TEST(theLocatorsAreValid) {
  CHECK(connectionLocators().size() == 5);
  for (const ConnectionLocator& locator : connectionLocators()) {
    CHECK(validateFilter(locator.program).ok());
    CHECK(storesBeforeLoads(locator.program));
  }
  CHECK(connectionLocatorFor(kLinkTypeUnknown) == nullptr);
}

TEST(smallSetsAgreeWithTheReference) {
  constexpr std::uint16_t kTypes[] = {1, 0xfffe, 772, 7};
  Choices choices(61);
  int refused = 0, accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    const Connections chosen = support::randomConnections(choices, 24);
    const FilterProgram program = programOf(chosen);
    CHECK(storesBeforeLoads(program));
    const auto filter = support::filterOf(chosen);
    for (int i = 0; i < 12; ++i) {
      const std::uint16_t hardwareType = kTypes[choices.below(4)];
      const std::uint16_t linkType = linkTypeOf(hardwareType);
      const Bytes bytes = support::randomPacketAmong(choices, linkType, chosen);
      const bool expected = support::connectionPasses(chosen, support::connectionOf(linkType, bytes));
      CHECK(passes(program, bytes, hardwareType) == expected);
      CHECK(!filter || filter->accepts(linkType, bytes, static_cast<std::uint32_t>(bytes.size())) == expected);
      (expected ? accepted : refused) += 1;
    }
  }
  CHECK(refused > 3000 && accepted > 10000);
}

TEST(largeSetsAgreeWithTheReference) {
  Choices choices(62);
  for (const bool six : {false, true}) {
    for (const std::uint32_t ports : {1u, 7u, 60000u}) {
      Connections chosen;
      for (int i = 0; i < 1200; ++i) {
        Connection one;
        one.six = six;
        one.protocol = choices.oneIn(2) ? 6 : 17;
        for (Endpoint& end : one.ends) {
          end = {six ? Bits128{choices.any()} << 96 | choices.below(3) : choices.any(),
                 static_cast<std::uint16_t>(1 + choices.below(ports))};
        }
        chosen.push_back(one);
      }
      const FilterProgram program = programOf(chosen);
      CHECK(storesBeforeLoads(program));
      for (const Connection& one : chosen) {
        for (int variant = 0; variant < 8; ++variant) {
          Connection each = one;
          if ((variant & 1) != 0) std::swap(each.ends[0], each.ends[1]);
          if ((variant & 2) != 0) std::swap(each.ends[0].port, each.ends[1].port);
          if ((variant & 4) != 0) each.ends[1].address ^= Bits128{1} << (six ? choices.below(128) : choices.below(32));
          Bytes bytes(six ? 8 : 12);
          bytes[0] = six ? 0x60 : 0x45;
          bytes[six ? 6 : 9] = each.protocol;
          for (const Endpoint& end : each.ends) support::putBits(bytes, end.address, six ? 16 : 4);
          for (const Endpoint& end : each.ends) support::putBits(bytes, end.port, 2);
          CHECK(passes(program, bytes, 0xfffe) == support::connectionPasses(chosen, each));
        }
      }
    }
  }
}

TEST(aSetCountsEachConnectionOnce) {
  const Endpoint a{0x0a000001, 9}, b{0x0a000002, 9}, c{0x0a000002, 10};
  const ConnectionSet set(
      Connections{{6, false, {a, b}}, {6, false, {b, a}}, {6, false, {a, c}}, {6, false, {c, a}}, {6, false, {a, a}}});
  CHECK(set.size() == 3);
  CHECK(set.v4().size() == 4);  // equal ports: one key for each direction, unless both ends are the same
  CHECK(set.firstKeys(0).empty() && set.firstKeys(9).size() == 3);
}

TEST(aTruncatedPacketPassesOnlyIfTheWholeOneDoes) {
  Choices choices(63);
  const Connections chosen = support::randomConnections(choices, 40);
  const auto filter = support::filterOf(chosen);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    const std::uint16_t linkType = choices.oneIn(3) ? kLinkTypeRaw : kLinkTypeEthernet;
    const Bytes bytes = support::randomPacketAmong(choices, linkType, chosen);
    const auto length = static_cast<std::uint32_t>(bytes.size());
    const bool whole = filter->accepts(linkType, bytes, length);
    refused += whole ? 0 : 1;
    for (std::size_t kept = 0; kept < bytes.size(); ++kept) {
      CHECK(whole || !filter->accepts(linkType, std::span(bytes).first(kept), length));
    }
  }
  CHECK(refused > 1000);
}

TEST(hostilePacketsAreReadWithinBounds) {
  Choices choices(64);
  const auto filter = support::filterOf(support::randomConnections(choices, 40));
  for (const ConnectionLocator& locator : connectionLocators()) {
    for (int round = 0; round < 20000; ++round) {
      const Bytes bytes = choices.bytes(choices.below(120));
      // Without truncation a locator never loads beyond the packet, which would return 0.
      const std::uint32_t result = runFilter(locator.program, bytes, static_cast<std::uint32_t>(bytes.size()));
      CHECK(result == kConnection4 || result == kConnection6 || result == kNoConnection || result == kLaterFragment4 ||
            result == kLaterFragment6);
      (void)filter->accepts(locator.linkType, bytes, choices.any());
    }
  }
}

TEST(parsesOneConnectionALine) {
  const auto connection = parseConnection("udp ::ffff:10.0.0.1 53 10.0.0.2 65535");
  CHECK(connection.ok() && connection.value().protocol == kProtocolUdp && !connection.value().six);
  CHECK(connection.ok() && connection.value().ends[0].address == 0x0a000001 && connection.value().ends[0].port == 53);
  CHECK(connection.ok() && connection.value().ends[1].address == 0x0a000002 &&
        connection.value().ends[1].port == 65535);
  const auto six = parseConnection("tcp 2001:db8::1 1 ::1 2");
  CHECK(six.ok() && six.value().six && six.value().ends[1].address == 1);
  for (const char* text : {"", "tcp", "sctp 10.0.0.1 1 10.0.0.2 2", "tcp 10.0.0.1 1 10.0.0.2", "tcp 10.0.0.1 1 ::1 2",
                           "tcp 10.0.0.0/8 1 10.0.0.2 2", "tcp 10.0.0.1 65536 10.0.0.2 2", "tcp 10.0.0.1 -1 10.0.0.2 2",
                           "tcp 10.0.0.1 1 10.0.0.2 2 3", "tcp 10.0.0.1  1 10.0.0.2 2", "tcp a 1 b 2"}) {
    const auto refused = parseConnection(text);
    CHECK(!refused.ok() && refused.error().code == Code::Option);
  }
}
