// Two sets of IP addresses. Packets with an excluded address are refused; if there is an include set, so are packets
// without an included address. Immutable; memory proportional to the number of entries given.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/bpf/address.h"

namespace ringtap {

// Flags of an address. Exclusion takes precedence: an excluded address is not also flagged as included.
inline constexpr std::uint8_t kAddressExcluded = 1;
inline constexpr std::uint8_t kAddressIncluded = 2;

class AddressSet {
 public:
  template <typename Bits>
  struct Entry {
    Bits first;
    std::uint8_t length;  // of the prefix, in bits
    std::uint8_t flags;
  };
  template <typename Bits>
  struct Range {
    Bits first;
    Bits last;
    std::uint8_t flags;
  };
  // The addresses of one IP version, in the form for each filter mode.
  template <typename Bits>
  struct Family {
    // For eBPF. Ascending, a prefix before those within it. The longest matching prefix has all flags of an address; a
    // prefix with the same flags as the next shorter one is omitted.
    std::vector<Entry<Bits>> entries;
    // For classic BPF. Ascending, disjoint; adjacent ranges with equal flags are merged. Addresses in no range have no
    // flags.
    std::vector<Range<Bits>> ranges;

    [[nodiscard]] std::uint8_t flagsOf(Bits address) const;
  };

  AddressSet() = default;
  AddressSet(std::span<const Prefix> exclude, std::span<const Prefix> include);

  // True if no packet is refused.
  [[nodiscard]] bool empty() const { return !including_ && v4_.ranges.empty() && v6_.ranges.empty(); }
  // Whether there is an include set.
  [[nodiscard]] bool including() const { return including_; }
  [[nodiscard]] const Family<std::uint32_t>& v4() const { return v4_; }
  [[nodiscard]] const Family<Bits128>& v6() const { return v6_; }

  // A set of the first `count` ranges, IPv4 before IPv6, without `entries`.
  [[nodiscard]] AddressSet firstRanges(std::size_t count) const;

  // The verdict on a packet, from the combined flags of all its addresses.
  [[nodiscard]] bool passes(std::uint8_t flags) const {
    return (flags & kAddressExcluded) == 0 && (!including_ || (flags & kAddressIncluded) != 0);
  }

 private:
  bool including_ = false;
  Family<std::uint32_t> v4_;
  Family<Bits128> v6_;
};

}  // namespace ringtap
