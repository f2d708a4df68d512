// Two sets of IP addresses, and what they say about an address: packets of the excluded are refused, and where there is
// an include set, packets of none of the included too. Immutable; as large as what it was made from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/bpf/address.h"

namespace ringtap {

// What is known of an address. Who is excluded is nothing else: that wins.
inline constexpr std::uint8_t kAddressExcluded = 1;
inline constexpr std::uint8_t kAddressIncluded = 2;

class AddressSet {
 public:
  template <typename Bits>
  struct Entry {
    Bits first;
    std::uint8_t length;  // of the prefix
    std::uint8_t flags;
  };
  template <typename Bits>
  struct Range {
    Bits first;
    Bits last;
    std::uint8_t flags;
  };
  // The addresses of one version, in both shapes that the forms of the filter want them in.
  template <typename Bits>
  struct Family {
    // Ascending, a prefix before those within it. The longest one that holds an address says all about it; none that
    // says what the next shorter one says already.
    std::vector<Entry<Bits>> entries;
    // Ascending, disjoint; neighbours of equal flags are one. What lies between has no flags.
    std::vector<Range<Bits>> ranges;

    [[nodiscard]] std::uint8_t flagsOf(Bits address) const;
  };

  AddressSet() = default;
  AddressSet(std::span<const Prefix> exclude, std::span<const Prefix> include);

  // Nothing is refused.
  [[nodiscard]] bool empty() const { return !including_ && v4_.ranges.empty() && v6_.ranges.empty(); }
  // There is an include set.
  [[nodiscard]] bool including() const { return including_; }
  [[nodiscard]] const Family<std::uint32_t>& v4() const { return v4_; }
  [[nodiscard]] const Family<Bits128>& v6() const { return v6_; }

  // The first so many ranges, IPv4 ahead of IPv6, and no entries.
  [[nodiscard]] AddressSet firstRanges(std::size_t count) const;

  // The verdict on a packet, from the flags of all its addresses together.
  [[nodiscard]] bool passes(std::uint8_t flags) const {
    return (flags & kAddressExcluded) == 0 && (!including_ || (flags & kAddressIncluded) != 0);
  }

 private:
  bool including_ = false;
  Family<std::uint32_t> v4_;
  Family<Bits128> v6_;
};

}  // namespace ringtap
