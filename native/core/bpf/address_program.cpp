#include "core/bpf/address_program.h"

#include <linux/filter.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "core/bpf/address_locator.h"
#include "core/bpf/cbpf_writer.h"
#include "core/bpf/search_tree.h"

namespace ringtap {

namespace {

using search_tree::Code;
using search_tree::Exit;
using search_tree::kIncluded;
using search_tree::kNeutral;
using search_tree::kRefused;
using search_tree::Test;
using search_tree::treeOf;

Exit exitFor(std::uint8_t flags) {
  if ((flags & kAddressExcluded) != 0) return kRefused;
  return (flags & kAddressIncluded) != 0 ? kIncluded : kNeutral;
}

// The location of the address's words: at an offset from X, or in M[].
struct Words {
  int load;
  std::uint32_t at;
};

template <typename Bits>
using Ranges = std::span<const AddressSet::Range<Bits>>;

// The search among ranges that are equal in all words before the `level`th. There is at least one range.
template <typename Bits>
Code search(Ranges<Bits> ranges, unsigned level, const Words& words) {
  constexpr unsigned kWords = sizeof(Bits) / 4;
  const unsigned below = 32 * (kWords - 1 - level);  // the number of bits after this word
  const Bits beneath = (Bits{1} << below) - 1;
  const auto wordOf = [&](Bits address) { return static_cast<std::uint32_t>(address >> below); };

  std::vector<Test> tests;
  std::vector<AddressSet::Range<Bits>> deeper;  // ranges within one value of this word
  const auto descend = [&] {
    if (deeper.empty()) return;
    const std::uint32_t word = wordOf(deeper.front().first);
    Code then;
    if constexpr (kWords > 1) then = search<Bits>(deeper, level + 1, words);
    tests.push_back({word, word, kNeutral, std::move(then)});
    deeper.clear();
  };
  for (const auto& [first, last, flags] : ranges) {
    Bits from = first;
    if (!deeper.empty() && wordOf(deeper.front().first) != wordOf(from)) descend();
    if ((from & beneath) != 0) {  // starts within a value of this word
      const Bits end = std::min<Bits>(last, from | beneath);
      deeper.push_back({from, end, flags});
      if (end == last) continue;
      descend();
      from = end + 1;
    }
    const bool whole = (last & beneath) == beneath;
    const Bits rest = whole ? last : last & ~beneath;  // start of the last value, covered partly
    if (whole || rest > from) {
      descend();
      tests.push_back({wordOf(from), wordOf(whole ? last : rest - 1), exitFor(flags), {}});
    }
    if (!whole) deeper.push_back({rest, last, flags});
  }
  descend();

  Code code;
  code.op(words.load, words.at + (words.load == (BPF_LD | BPF_MEM) ? 0 : 4 * level));
  Code tree = treeOf(tests);
  code.closed = tree.closed;
  code.append(tree);
  return code;
}

// Both searches of a family; `first` and `second` are the locations of the two addresses.
template <typename Bits>
void writeFamily(CbpfWriter& out, const AddressSet& addresses, Ranges<Bits> ranges, const Words& first,
                 const Words& second, CbpfWriter::Label pass, CbpfWriter::Label refuse) {
  if (ranges.empty()) {
    out.go(addresses.including() ? refuse : pass);
    return;
  }
  const auto write = [&](const Words& words, CbpfWriter::Label neutral, CbpfWriter::Label included) {
    Code code = search<Bits>(ranges, 0, words);
    code.close();
    const std::size_t start = out.size();
    out.append(code.code);
    for (const Code::Leave& each : code.leaves) {
      out.aim(start + each.from, each.to == kIncluded ? included : neutral);
    }
  };
  const auto neutral = out.label();
  if (!addresses.including()) {
    write(first, neutral, neutral);
    out.land(neutral);
    write(second, pass, pass);
    return;
  }
  // M[3] is the result for the first address: the second may still be excluded.
  const auto included = out.label(), known = out.label(), late = out.label();
  write(first, neutral, included);
  out.land(included);
  out.op(BPF_LD | BPF_IMM, 1);
  out.go(known);
  out.land(neutral);
  out.op(BPF_LD | BPF_IMM, 0);
  out.land(known);
  out.op(BPF_ST, 3);
  write(second, late, pass);
  out.land(late);
  out.op(BPF_LD | BPF_MEM, 3);
  const auto was = out.label();
  out.branch(BPF_JEQ | BPF_K, 1, was, CbpfWriter::kNext);
  out.go(refuse);
  out.land(was);
  out.go(pass);
}

}  // namespace

FilterProgram assembleAddresses(const AddressSet& addresses) {
  CbpfWriter out;
  const auto ip4 = out.label(), arp = out.label(), ip6 = out.label(), some = out.label(), search4 = out.label(),
             pass = out.label(), refuse = out.label();
  appendLocators(out);
  out.op(BPF_MISC | BPF_TAX);
  out.op(BPF_ALU | BPF_AND | BPF_K, kAddressesKind);
  out.branch(BPF_JEQ | BPF_K, 0, CbpfWriter::kNext, some);
  out.go(addresses.including() ? refuse : pass);
  out.land(some);
  out.op(BPF_ST, 2);
  out.op(BPF_MISC | BPF_TXA);
  out.op(BPF_ALU | BPF_RSH | BPF_K, 2);
  out.op(BPF_MISC | BPF_TAX);
  out.op(BPF_LD | BPF_MEM, 2);
  const auto not6 = out.label();
  out.branch(BPF_JEQ | BPF_K, kAddressesIp6, CbpfWriter::kNext, not6);
  out.go(ip6);
  out.land(not6);
  out.branch(BPF_JEQ | BPF_K, kAddressesArp, arp, ip4);
  out.land(ip4);
  out.op(BPF_LD | BPF_W | BPF_IND, kAddressStep[kAddressesIp4]);
  out.go(search4);
  out.land(arp);
  out.op(BPF_LD | BPF_W | BPF_IND, kAddressStep[kAddressesArp]);
  out.land(search4);
  out.op(BPF_ST, 1);
  writeFamily<std::uint32_t>(out, addresses, addresses.v4().ranges, {BPF_LD | BPF_W | BPF_IND, 0},
                             {BPF_LD | BPF_MEM, 1}, pass, refuse);
  out.land(ip6);
  writeFamily<Bits128>(out, addresses, addresses.v6().ranges, {BPF_LD | BPF_W | BPF_IND, 0},
                       {BPF_LD | BPF_W | BPF_IND, kAddressStep[kAddressesIp6]}, pass, refuse);
  out.land(refuse);
  out.op(BPF_RET | BPF_K, 0);
  out.land(pass);
  return out.finish();
}

std::size_t addressesThatFit(const AddressSet& addresses, std::size_t room) {
  const std::size_t all = addresses.v4().ranges.size() + addresses.v6().ranges.size();
  // A range takes more than one instruction.
  std::size_t fits = 0, tooMany = std::min(all, room) + 1;
  while (fits + 1 < tooMany) {
    const std::size_t count = fits + (tooMany - fits) / 2;
    if (assembleAddresses(addresses.firstRanges(count)).size() <= room) fits = count;
    else tooMany = count;
  }
  return fits;
}

}  // namespace ringtap
