// Address sets compared with the reference implementation, by ranges and by longest prefix.
#include "core/bpf/address_set.h"

#include "support/addresses.h"
#include "support/check.h"

using namespace ringtap;
using support::AddressChoice;
using support::Choices;

namespace {

std::uint8_t expectedFlags(const AddressChoice& chosen, bool six, Bits128 address) {
  const auto in = [&](const std::vector<Prefix>& set) {
    return std::any_of(set.begin(), set.end(), [&](const Prefix& one) { return support::holds(one, six, address); });
  };
  if (in(chosen.exclude)) return kAddressExcluded;
  return in(chosen.include) ? kAddressIncluded : 0;
}

template <typename Bits>
std::uint8_t byLongestPrefix(const AddressSet::Family<Bits>& family, bool six, Bits address) {
  int longest = -1;
  std::uint8_t flags = 0;
  for (const auto& entry : family.entries) {
    if (entry.length <= longest || !support::holds({entry.first, entry.length, six}, six, address)) continue;
    longest = entry.length;
    flags = entry.flags;
  }
  return flags;
}

template <typename Bits>
void checkFamily(const AddressChoice& chosen, const AddressSet::Family<Bits>& family, bool six, Choices& choices) {
  for (std::size_t i = 0; i < family.ranges.size(); ++i) {
    const auto& range = family.ranges[i];
    CHECK(range.first <= range.last && range.flags != 0);
    if (i == 0) continue;
    const auto& before = family.ranges[i - 1];
    CHECK(before.last < range.first && (before.last + 1 < range.first || before.flags != range.flags));
  }
  std::vector<Bits> asked{0, 1, static_cast<Bits>(~Bits{0}), static_cast<Bits>(~Bits{0} - 1)};
  for (const auto* set : {&chosen.exclude, &chosen.include}) {
    for (const Prefix& prefix : *set) {
      if (prefix.six != six) continue;
      const int beyond = (six ? 128 : 32) - prefix.length;
      const Bits last = static_cast<Bits>(prefix.value | (beyond == 128 ? ~Bits128{0} : (Bits128{1} << beyond) - 1));
      for (const Bits end : {static_cast<Bits>(prefix.value), last}) {
        for (const Bits each : {static_cast<Bits>(end - 1), end, static_cast<Bits>(end + 1)}) asked.push_back(each);
      }
    }
  }
  for (int i = 0; i < 10; ++i) asked.push_back(static_cast<Bits>(support::randomAddress(choices, six)));
  for (const Bits address : asked) {
    const std::uint8_t expected = expectedFlags(chosen, six, address);
    CHECK(family.flagsOf(address) == expected);
    CHECK(byLongestPrefix(family, six, address) == expected);
  }
}

}  // namespace

TEST(everyAddressHasItsFlags) {
  Choices choices(31);
  for (int round = 0; round < 3000; ++round) {
    const AddressChoice chosen = support::randomAddresses(choices, 20);
    const AddressSet set(chosen.exclude, chosen.include);
    CHECK(set.including() == !chosen.include.empty());
    CHECK(set.empty() == (chosen.exclude.empty() && chosen.include.empty()));
    checkFamily(chosen, set.v4(), false, choices);
    checkFamily(chosen, set.v6(), true, choices);
  }
}

TEST(theSetsGiveTheVerdictOnAPacket) {
  const Prefix some{0x0a000000, 8, false};
  const AddressSet excluding(std::span(&some, 1), {});
  CHECK(excluding.passes(0) && !excluding.passes(kAddressExcluded));
  const AddressSet including({}, std::span(&some, 1));
  CHECK(!including.passes(0) && including.passes(kAddressIncluded));
  CHECK(!including.passes(kAddressIncluded | kAddressExcluded));
}

TEST(redundantEntriesAreLeftOut) {
  std::vector<Prefix> exclude{{0x0a000000, 8, false}, {0x0a000001, 32, false},
                              {0x0a000000, 8, false}, {0x0b000000, 8, false},
                              {0, 0, true},           {1, 128, true}};
  const AddressSet set(exclude, {});
  CHECK(set.v4().entries.size() == 2 && set.v4().ranges.size() == 1);
  CHECK(set.v4().ranges[0].first == 0x0a000000 && set.v4().ranges[0].last == 0x0bffffff);
  CHECK(set.v6().entries.size() == 1 && set.v6().ranges.size() == 1 && set.v6().ranges[0].last == ~Bits128{0});
}

TEST(aHundredThousandAddressesAreFound) {
  std::vector<Prefix> exclude;
  for (std::uint32_t i = 0; i < 100'000; ++i) exclude.push_back({i * 40503u, 32, false});
  const AddressSet set(exclude, {});
  CHECK(set.v4().entries.size() == 100'000);
  for (std::uint32_t i = 0; i < 100'000; i += 7) CHECK(set.v4().flagsOf(i * 40503u) == kAddressExcluded);
  CHECK(set.firstRanges(10).v4().ranges.size() == 10 &&
        set.firstRanges(200'000).v4().ranges.size() == set.v4().ranges.size());
}
