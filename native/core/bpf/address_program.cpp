#include "core/bpf/address_program.h"

#include <linux/filter.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "core/bpf/address_locator.h"
#include "core/bpf/cbpf_writer.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

// Conditional jumps reach 255 instructions. Code up to this length stays open, to share its exits with adjacent code;
// longer code is closed with its own exits.
constexpr std::size_t kOpenLength = 200;
// The number of tests in a leaf of the tree, done one after another: this takes fewer instructions than a tree down to
// single hosts, and no more time.
constexpr std::size_t kLeaf = 16;

// The results of the search for an address.
enum Exit : std::uint8_t { kNeutral, kIncluded, kRefused, kExits };

Exit exitFor(std::uint8_t flags) {
  if ((flags & kAddressExcluded) != 0) return kRefused;
  return (flags & kAddressIncluded) != 0 ? kIncluded : kNeutral;
}

// Code that ends in exits. Open: its conditional jumps to exits are recorded. Closed: these lead to jumps of any length
// at its end, which are recorded instead.
struct Code {
  struct Leave {
    std::size_t from;
    bool whenTrue;
    Exit to;
  };
  FilterProgram code;
  std::vector<Leave> leaves;  // conditional jumps if open, unconditional ones if closed
  bool closed = false;

  void op(int operation, std::uint32_t k = 0) { code.push_back({static_cast<std::uint16_t>(operation), 0, 0, k}); }
  void leave(bool whenTrue, Exit to) { leaves.push_back({code.size() - 1, whenTrue, to}); }
  void append(const Code& other) {
    for (const Leave& each : other.leaves) leaves.push_back({each.from + code.size(), each.whenTrue, each.to});
    code.insert(code.end(), other.code.begin(), other.code.end());
  }

  void close() {
    if (closed) return;
    closed = true;
    std::vector<Leave> longJumps;
    for (const Exit exit : {kNeutral, kIncluded, kRefused}) {
      bool used = false;
      for (const Leave& each : leaves) {
        if (each.to != exit) continue;
        used = true;
        (each.whenTrue ? code[each.from].jt : code[each.from].jf) =
            static_cast<std::uint8_t>(code.size() - each.from - 1);
      }
      if (!used) continue;
      if (exit == kRefused) {
        op(BPF_RET | BPF_K, 0);
      } else {
        op(BPF_JMP | BPF_JA, 0);
        longJumps.push_back({code.size() - 1, true, exit});
      }
    }
    leaves = std::move(longJumps);
  }
};

// A step of the search: a range of values of one word of the address, and its result.
struct Test {
  std::uint32_t first;
  std::uint32_t last;
  Exit exit;
  Code then;  // for a single value: the search in the following words; else empty

  [[nodiscard]] std::size_t size() const { return (first == last ? 1 : 2) + then.code.size(); }
};

// Tests one after another, then the code of those with a further search. Open.
Code leafOf(std::span<const Test> tests) {
  Code leaf;
  std::vector<std::size_t> entrances;  // the tests with a further search, in order
  for (std::size_t i = 0; i < tests.size(); ++i) {
    const Test& test = tests[i];
    const bool final = i + 1 == tests.size();
    if (test.first != test.last) {
      leaf.op(BPF_JMP | BPF_JGE | BPF_K, test.first);  // lower than this test's range, hence than all that follow
      leaf.leave(false, kNeutral);
      leaf.op(BPF_JMP | BPF_JGT | BPF_K, test.last);
      leaf.leave(false, test.exit);
      if (final) leaf.leave(true, kNeutral);
      continue;
    }
    leaf.op(BPF_JMP | BPF_JEQ | BPF_K, test.first);
    if (test.then.code.empty()) leaf.leave(true, test.exit);
    else entrances.push_back(leaf.code.size() - 1);
    if (final) leaf.leave(false, kNeutral);
  }
  auto entrance = entrances.begin();
  for (const Test& test : tests) {
    if (test.then.code.empty()) continue;
    leaf.code[*entrance].jt = static_cast<std::uint8_t>(leaf.code.size() - *entrance - 1);
    ++entrance;
    leaf.append(test.then);
  }
  return leaf;
}

// A single test that leads to closed code.
Code gateTo(const Test& test) {
  Code gate;
  gate.op(BPF_JMP | BPF_JEQ | BPF_K, test.first);
  gate.code.back().jt = 1;
  gate.op(BPF_JMP | BPF_JA, 0);
  gate.leave(true, kNeutral);
  gate.append(test.then);
  gate.closed = true;
  return gate;
}

// A search tree over ascending, disjoint tests of the word in A.
Code treeOf(std::span<const Test> tests) {
  std::size_t size = 0;
  bool open = true;
  for (const Test& test : tests) {
    size += test.size();
    open = open && !test.then.closed;
  }
  if (open && tests.size() <= kLeaf && size <= kOpenLength) return leafOf(tests);
  if (tests.size() == 1) {
    Test alone = tests.front();
    alone.then.close();
    return gateTo(alone);
  }
  std::size_t middle = tests.size() / 2;
  if (size <= 2 * tests.size()) middle = (middle + kLeaf - 1) / kLeaf * kLeaf;  // the fewest leaves, all but one full
  Code left = treeOf(tests.first(middle));
  Code right = treeOf(tests.subspan(middle));
  Code tree;
  if (left.closed || right.closed || left.code.size() + right.code.size() + 1 > kOpenLength) {
    left.close();
    right.close();
    tree.closed = true;
  }
  if (left.code.size() <= 255) {
    tree.op(BPF_JMP | BPF_JGE | BPF_K, tests[middle].first);
    tree.code.back().jt = static_cast<std::uint8_t>(left.code.size());
  } else {
    tree.op(BPF_JMP | BPF_JGE | BPF_K, tests[middle].first);
    tree.code.back().jf = 1;
    tree.op(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(left.code.size()));
  }
  tree.append(left);
  tree.append(right);
  return tree;
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

// Writes the locators; A = the result of the one for the device's link type.
void writeLocators(CbpfWriter& out) {
  const auto located = out.label();
  out.op(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_HATYPE));
  for (const Locator& locator : locators()) {
    const auto here = out.label(), other = out.label();
    for (const std::uint16_t type : hardwareTypesOf(locator.linkType)) {
      out.branch(BPF_JEQ | BPF_K, type, here, CbpfWriter::kNext);
    }
    out.go(other);
    out.land(here);
    FilterProgram program = locator.program;
    program.pop_back();  // the final `ret a`
    out.append(program);
    out.go(located);
    out.land(other);
  }
  out.op(BPF_LD | BPF_IMM, kNoAddresses);
  out.land(located);
}

}  // namespace

FilterProgram assembleAddresses(const AddressSet& addresses) {
  CbpfWriter out;
  const auto ip4 = out.label(), arp = out.label(), ip6 = out.label(), some = out.label(), search4 = out.label(),
             pass = out.label(), refuse = out.label();
  writeLocators(out);
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
