#include "core/bpf/address_set.h"

#include <algorithm>
#include <limits>

namespace ringtap {

namespace {

template <typename Bits>
constexpr unsigned kWidth = sizeof(Bits) * 8;
template <typename Bits>
constexpr Bits kHighest = ~Bits{0};

template <typename Bits>
using Entries = std::vector<AddressSet::Entry<Bits>>;

template <typename Bits>
Bits lastOf(const AddressSet::Entry<Bits>& entry) {
  return entry.length == kWidth<Bits> ? entry.first : entry.first | kHighest<Bits> >> entry.length;
}

template <typename Bits>
void add(Entries<Bits>& entries, std::span<const Prefix> prefixes, std::uint8_t flags) {
  constexpr bool six = kWidth<Bits> == 128;
  for (const Prefix& prefix : prefixes) {
    if (prefix.six == six) entries.push_back({static_cast<Bits>(prefix.value), prefix.length, flags});
  }
}

// Records the changes of flags at ascending addresses as ranges.
template <typename Bits>
class Ranges {
 public:
  explicit Ranges(std::vector<AddressSet::Range<Bits>>& out) : out_(out) {}

  // Sets the flags from address `at` on. Addresses are ascending; for equal ones the last call counts.
  void change(Bits at, std::uint8_t flags) {
    if (at != since_) {
      write(at - 1);
      since_ = at;
    }
    flags_ = flags;
  }
  void end() { write(kHighest<Bits>); }

 private:
  void write(Bits last) {
    if (flags_ == 0) return;
    const bool joins = !out_.empty() && out_.back().flags == flags_ && out_.back().last + 1 == since_;
    if (joins) out_.back().last = last;
    else out_.push_back({since_, last, flags_});
  }

  std::vector<AddressSet::Range<Bits>>& out_;
  Bits since_ = 0;
  std::uint8_t flags_ = 0;
};

template <typename Bits>
AddressSet::Family<Bits> familyOf(Entries<Bits> given) {
  std::sort(given.begin(), given.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : a.length < b.length; });
  AddressSet::Family<Bits> family;
  Ranges<Bits> ranges(family.ranges);
  Entries<Bits> open;  // the prefixes that contain the current address, each within the previous one
  const auto around = [&] { return open.empty() ? std::uint8_t{0} : open.back().flags; };
  const auto close = [&] {
    const Bits last = lastOf(open.back());
    open.pop_back();
    if (last != kHighest<Bits>) ranges.change(last + 1, around());
  };
  for (std::size_t i = 0; i < given.size(); ++i) {
    AddressSet::Entry<Bits> entry = given[i];
    while (i + 1 < given.size() && given[i + 1].first == entry.first && given[i + 1].length == entry.length) {
      entry.flags |= given[++i].flags;
    }
    while (!open.empty() && lastOf(open.back()) < entry.first) close();
    entry.flags |= around();
    if ((entry.flags & kAddressExcluded) != 0) entry.flags = kAddressExcluded;
    if (entry.flags == around()) continue;
    ranges.change(entry.first, entry.flags);
    family.entries.push_back(entry);
    open.push_back(entry);
  }
  while (!open.empty()) {
    if (lastOf(open.back()) == kHighest<Bits>) break;  // and so do all prefixes that contain it
    close();
  }
  ranges.end();
  return family;
}

}  // namespace

template <typename Bits>
std::uint8_t AddressSet::Family<Bits>::flagsOf(Bits address) const {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), address,
                                      [](Bits value, const Range<Bits>& range) { return value < range.first; });
  if (after == ranges.begin()) return 0;
  const Range<Bits>& range = *(after - 1);
  return address <= range.last ? range.flags : 0;
}

template struct AddressSet::Family<std::uint32_t>;
template struct AddressSet::Family<Bits128>;

AddressSet::AddressSet(std::span<const Prefix> exclude, std::span<const Prefix> include)
    : including_(!include.empty()) {
  Entries<std::uint32_t> four;
  Entries<Bits128> six;
  add(four, exclude, kAddressExcluded);
  add(four, include, kAddressIncluded);
  add(six, exclude, kAddressExcluded);
  add(six, include, kAddressIncluded);
  v4_ = familyOf(std::move(four));
  v6_ = familyOf(std::move(six));
}

AddressSet AddressSet::firstRanges(std::size_t count) const {
  AddressSet some;
  some.including_ = including_;
  const auto four = std::min(count, v4_.ranges.size());
  const auto six = std::min(count - four, v6_.ranges.size());
  some.v4_.ranges.assign(v4_.ranges.begin(), v4_.ranges.begin() + static_cast<std::ptrdiff_t>(four));
  some.v6_.ranges.assign(v6_.ranges.begin(), v6_.ranges.begin() + static_cast<std::ptrdiff_t>(six));
  return some;
}

}  // namespace ringtap
