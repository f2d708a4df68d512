// Locates addresses for every link type, compared with a simple parser and with libpcap's `host`.
#include "core/bpf/address_locator.h"

#include <linux/filter.h>

#include "core/filter/filter.h"
#include "core/filter/filter_interpreter.h"
#include "support/addresses.h"
#include "support/check.h"

using namespace ringtap;
using support::Choices;

namespace {

using Bytes = std::vector<std::uint8_t>;

std::uint32_t locate(std::uint16_t linkType, const Bytes& bytes) {
  const Locator* locator = locatorFor(linkType);
  CHECK(locator != nullptr);
  return locator == nullptr ? 0 : runFilter(locator->program, bytes, static_cast<std::uint32_t>(bytes.size()));
}

support::Addresses located(const Bytes& bytes, std::uint32_t answer) {
  const std::uint32_t kind = answer & kAddressesKind;
  const std::size_t size = kind == kAddressesIp6 ? 16 : 4;
  return {kind == kAddressesIp6, support::bitsAt(bytes, answer >> 2, size),
          support::bitsAt(bytes, (answer >> 2) + kAddressStep[kind], size)};
}

// The link header of this link type, with random values in bits that matter and in bits that do not. Omits what ringtap
// parses differently from libpcap: encrypted frames and VLAN tags.
Bytes linkHeader(Choices& choices, std::uint16_t linkType, std::uint16_t type) {
  Bytes bytes;
  if (linkType == kLinkTypeEthernet) {
    bytes.assign(12, 2);
    support::putBits(bytes, type, 2);
    return bytes;
  }
  if (linkType == kLinkTypeRaw) return bytes;
  bool padded = false;
  if (linkType == kLinkTypeRadiotap) {
    const std::uint8_t present = static_cast<std::uint8_t>(choices.below(8));
    const std::uint8_t length = static_cast<std::uint8_t>(20 + choices.below(20));
    bytes = {0, 0, length, 0, present, static_cast<std::uint8_t>(choices.below(256)), 0, 0};
    bytes.resize(length);
    for (const std::size_t at : {8, 16})
      bytes[at] = choices.oneIn(2) ? 0x20 : static_cast<std::uint8_t>(choices.below(256));
    padded = (present & 2) != 0 && (bytes[(present & 1) != 0 ? 16 : 8] & 0x20) != 0;
  } else if (linkType == kLinkTypePrism) {
    const bool avs = choices.oneIn(2);
    bytes.assign(avs ? 64 : 144, 0);
    if (avs) bytes[0] = 0x80, bytes[1] = 0x21, bytes[2] = 0x10, bytes[3] = 1, bytes[7] = 64;
  }
  const std::size_t start = bytes.size();
  const std::uint8_t control = choices.oneIn(4)   ? static_cast<std::uint8_t>(choices.below(256))
                               : choices.oneIn(2) ? 0x08
                                                  : 0x88;
  bytes.push_back(control);
  bytes.push_back(static_cast<std::uint8_t>(choices.below(256) & 0xbf));
  std::size_t header = bytes.size() - 2 + 24 + ((control & 0x80) != 0 ? 2 : 0);
  if (padded) header = (header + 3) / 4 * 4;
  bytes.resize(std::max(header, start + 24));
  bytes.insert(bytes.end(), {0xaa, 0xaa, 3, 0, 0, 0});
  support::putBits(bytes, type, 2);
  return bytes;
}

}  // namespace

TEST(theProgramsAreValid) {
  CHECK(locators().size() == 5);
  for (const Locator& locator : locators()) {
    CHECK(validateFilter(locator.program).ok());
    CHECK(linkTypeOrdinal(locator.linkType) != 0);
    int returns = 0;
    for (const FilterInstruction& each : locator.program) {
      if (BPF_CLASS(each.code) == BPF_RET) ++returns;
      if (BPF_CLASS(each.code) == BPF_ST || BPF_CLASS(each.code) == BPF_STX) CHECK(each.k < 2);
    }
    CHECK(returns == 1 && locator.program.back().code == (BPF_RET | BPF_A));
  }
  CHECK(locatorFor(kLinkTypeUnknown) == nullptr);
  for (const std::uint16_t type : knownHardwareTypes()) CHECK(locatorFor(linkTypeOf(type)) != nullptr);
}

TEST(theAddressesThatAPlainParserFinds) {
  Choices choices(41);
  int found = 0;
  for (int round = 0; round < 40000; ++round) {
    const std::uint16_t linkType = choices.oneIn(3) ? kLinkTypeRaw : kLinkTypeEthernet;
    const Bytes bytes = support::randomPacket(choices, linkType);
    const auto expected = support::addressesOf(linkType, bytes);
    const std::uint32_t answer = locate(linkType, bytes);
    CHECK((answer == kNoAddresses) == !expected);
    if (!expected || answer == kNoAddresses || answer == 0) continue;
    ++found;
    const auto actual = located(bytes, answer);
    CHECK(actual.six == expected->six && actual.first == expected->first && actual.second == expected->second);
  }
  CHECK(found > 20000);
}

TEST(hostMatchesAsInLibpcap) {
  constexpr const char* kExpression = "host 10.0.0.1 or net 192.168.0.0/24 or host 2001:db8::1 or net fe80::/64";
  constexpr std::uint64_t kNet = 0x20010db800000000;
  const std::vector<Prefix> set{{0x0a000001, 32, false},
                                {0xc0a80000, 24, false},
                                {Bits128{kNet} << 64 | 1, 128, true},
                                {Bits128{0xfe80000000000000} << 64, 64, true}};
  const AddressFilter including(AddressSet({}, set), false);
  const AddressFilter excluding(AddressSet(set, {}), false);
  for (const Locator& locator : locators()) {
    const auto compiled = compileFilter(kExpression, locator.linkType, 262144, FilterInput::Memory);
    CHECK(compiled.ok());
    if (!compiled.ok()) continue;
    Choices choices(42);
    int matched = 0;
    for (int round = 0; round < 20000; ++round) {
      const auto [type, network] = support::randomNetworkPacket(choices);
      Bytes bytes = linkHeader(choices, locator.linkType, choices.oneIn(8) ? 0x88cc : type);
      bytes.insert(bytes.end(), network.begin(), network.end());
      const auto length = static_cast<std::uint32_t>(bytes.size());
      const bool expected = runFilter(compiled.value().instructions, bytes, length) != 0;
      CHECK(including.accepts(locator.linkType, bytes, length) == expected);
      CHECK(excluding.accepts(locator.linkType, bytes, length) == !expected);
      matched += expected ? 1 : 0;
    }
    CHECK(matched > 1000);
  }
}

TEST(encryptedFramesHaveNoAddresses) {
  Choices choices(43);
  for (const std::uint16_t linkType : {kLinkTypeWireless, kLinkTypePrism, kLinkTypeRadiotap}) {
    for (int round = 0; round < 100; ++round) {
      Bytes bytes = linkHeader(choices, linkType, 0x0800);
      bytes.resize(bytes.size() + 20);
      const bool data = locate(linkType, bytes) != kNoAddresses;
      const std::size_t at = linkType == kLinkTypeRadiotap   ? bytes[2]
                             : linkType == kLinkTypeWireless ? 0u
                             : bytes[0] == 0x80              ? 64u
                                                             : 144u;
      bytes[at + 1] |= 0x40;
      CHECK(locate(linkType, bytes) == kNoAddresses);
      CHECK(data == ((bytes[at] & 0x0c) == 0x08));
    }
  }
}

TEST(hostilePreamblesAreReadWithinBounds) {
  Choices choices(44);
  for (const Locator& locator : locators()) {
    for (int round = 0; round < 20000; ++round) {
      const Bytes bytes = choices.bytes(choices.below(80));
      // A locator must never return an offset beyond the packet.
      const std::uint32_t answer = locate(locator.linkType, bytes);
      const std::uint32_t kind = answer & kAddressesKind;
      CHECK(answer == kNoAddresses ||
            (kind != 0 && (answer >> 2) + kAddressStep[kind] + (kind == kAddressesIp6 ? 16 : 4) <= bytes.size()));
    }
  }
  Bytes avs(200, 0xff);
  avs[0] = 0x80, avs[1] = 0x21, avs[2] = 0x10;
  CHECK(locate(kLinkTypePrism, avs) == kNoAddresses);
}

TEST(aTruncatedPacketPassesOnlyIfTheWholeOneDoes) {
  Choices choices(45);
  support::AddressChoice chosen;
  chosen.exclude = {{0x0a000001, 32, false}, {1, 128, true}};
  const AddressFilter filter(AddressSet(chosen.exclude, {}), false);
  for (int round = 0; round < 5000; ++round) {
    const std::uint16_t linkType = choices.oneIn(3) ? kLinkTypeRaw : kLinkTypeEthernet;
    const Bytes bytes = support::randomPacket(choices, linkType);
    const auto length = static_cast<std::uint32_t>(bytes.size());
    const bool whole = filter.accepts(linkType, bytes, length);
    for (std::size_t kept = 0; kept < bytes.size(); ++kept) {
      const bool cut = filter.accepts(linkType, std::span(bytes).first(kept), length);
      CHECK(whole || !cut);  // a truncated packet never passes if the whole one does not
      const auto addresses = support::addressesOf(linkType, bytes);
      if (addresses && kept < 20) CHECK(!cut);
    }
  }
}
