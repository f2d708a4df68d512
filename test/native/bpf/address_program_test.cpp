// The classic mode's search trees, compared with the reference implementation.
#include "core/bpf/address_program.h"

#include <set>

#include "core/filter/filter_interpreter.h"
#include "support/addresses.h"
#include "support/check.h"
#include "support/random_filter.h"

using namespace ringtap;
using support::AddressChoice;
using support::Choices;

namespace {

using Bytes = std::vector<std::uint8_t>;

FilterProgram programOf(const AddressChoice& chosen) {
  FilterProgram program = assembleAddresses(AddressSet(chosen.exclude, chosen.include));
  program.push_back(support::op(BPF_RET | BPF_K, 1));
  CHECK(program.size() > kMaxFilterInstructions || validateFilter(program).ok());
  return program;
}

bool passes(const FilterProgram& program, const Bytes& bytes, std::uint16_t hardwareType = 1) {
  PacketMetadata metadata;
  metadata.hardwareType = hardwareType;
  return runFilter(program, bytes, static_cast<std::uint32_t>(bytes.size()), metadata) == 1;
}

Bytes ip(bool six, Bits128 source, Bits128 destination) {
  Bytes bytes(six ? 8 : 12);
  bytes[0] = six ? 0x60 : 0x45;
  support::putBits(bytes, source, six ? 16 : 4);
  support::putBits(bytes, destination, six ? 16 : 4);
  return bytes;
}

constexpr std::uint16_t kRaw = 0xfffe;  // ARPHRD_NONE

// Checks every address of the sets and its neighbours, as source and as destination.
void checkAll(const AddressChoice& chosen, const FilterProgram& program) {
  for (const auto* set : {&chosen.exclude, &chosen.include}) {
    for (const Prefix& prefix : *set) {
      const int beyond = (prefix.six ? 128 : 32) - prefix.length;
      const Bits128 last = prefix.value | (beyond == 128 ? ~Bits128{0} : (Bits128{1} << beyond) - 1);
      const Bits128 width = prefix.six ? ~Bits128{0} : 0xffffffff;
      const Bits128 other = prefix.six ? Bits128{7} << 100 : 0x07070707;
      for (Bits128 each : {prefix.value - 1, prefix.value, prefix.value + 1, last - 1, last, last + 1}) {
        each &= width;
        const bool expected = support::addressesPass(chosen, support::Addresses{prefix.six, each, other});
        CHECK(passes(program, ip(prefix.six, each, other), kRaw) == expected);
        CHECK(passes(program, ip(prefix.six, other, each), kRaw) == expected);
      }
    }
  }
}

}  // namespace

TEST(smallSetsAgreeWithTheReference) {
  Choices choices(51);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    const AddressChoice chosen = support::randomAddresses(choices, 24);
    const FilterProgram program = programOf(chosen);
    for (int i = 0; i < 12; ++i) {
      const std::uint16_t hardwareType = support::randomMetadata(choices).hardwareType;
      const std::uint16_t linkType = linkTypeOf(hardwareType);
      if (linkType != kLinkTypeEthernet && linkType != kLinkTypeRaw && linkType != kLinkTypeUnknown) continue;
      const Bytes bytes = support::randomPacket(choices, linkType);
      const bool expected = support::addressesPass(chosen, support::addressesOf(linkType, bytes));
      CHECK(passes(program, bytes, hardwareType) == expected);
      refused += expected ? 0 : 1;
    }
    if (round % 10 == 0) checkAll(chosen, program);
  }
  CHECK(refused > 3000);
}

TEST(largeSetsAgreeWithTheReference) {
  Choices choices(52);
  struct Shape {
    bool six;
    std::uint64_t high;      // upper 64 bits of IPv6 addresses, or their base if `spread` is over 1
    std::uint32_t spread;    // number of different upper halves
    std::uint32_t prefixes;  // one address in this many is a prefix; 0: none
  };
  for (const Shape& shape : {Shape{false, 0, 0, 0}, Shape{false, 0, 0, 2}, Shape{true, 0x20010db8'00000000, 1, 0},
                             Shape{true, 0x20010db8'00000000, 1 << 30, 0}, Shape{true, 0x20010db8'00000000, 40, 3}}) {
    for (const bool including : {false, true}) {
      AddressChoice chosen;
      for (int i = 0; i < 1500; ++i) {
        Prefix prefix{choices.any(), 32, shape.six};
        if (shape.six) {
          prefix.length = 128;
          prefix.value =
              Bits128{shape.high + choices.below(shape.spread)} << 64 | Bits128{choices.any()} << 32 | choices.any();
        }
        if (shape.prefixes != 0 && choices.oneIn(shape.prefixes)) {
          const int beyond = static_cast<int>(choices.below(shape.six ? 60 : 16));
          prefix.length = static_cast<std::uint8_t>(prefix.length - beyond);
          prefix.value = prefix.value >> beyond << beyond;
        }
        (including && choices.oneIn(2) ? chosen.include : chosen.exclude).push_back(prefix);
      }
      FilterProgram program = programOf(chosen);
      checkAll(chosen, program);
      // The kernel's validation rules, on as many addresses as fit.
      const AddressSet set(chosen.exclude, chosen.include);
      const std::size_t fits = addressesThatFit(set, 3500);
      FilterProgram some = assembleAddresses(set.firstRanges(fits));
      CHECK(some.size() <= 3500);
      some.push_back(support::op(BPF_RET | BPF_K, 1));
      CHECK(validateFilter(some).ok());
      const std::size_t all = set.v4().ranges.size() + set.v6().ranges.size();
      CHECK(fits <= all && (fits == all || assembleAddresses(set.firstRanges(fits + 1)).size() > 3500));
      // The documented minimum capacity.
      CHECK(fits >= (!shape.six ? (shape.prefixes != 0 ? 900u : 1400u) : 250u));
    }
  }
}

TEST(theWholeAddressSpaceIsCovered) {
  for (const bool six : {false, true}) {
    AddressChoice chosen;
    chosen.exclude.push_back({0, 0, six});
    const FilterProgram program = programOf(chosen);
    CHECK(!passes(program, ip(six, 5, 6), kRaw) && passes(program, ip(!six, 5, 6), kRaw));
    chosen.include.swap(chosen.exclude);
    const FilterProgram inverse = programOf(chosen);
    CHECK(passes(inverse, ip(six, 5, 6), kRaw) && !passes(inverse, ip(!six, 5, 6), kRaw));
    CHECK(!passes(inverse, {}, kRaw) && !passes(inverse, Bytes(40), 7));
  }
}
