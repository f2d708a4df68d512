#include "core/bpf/search_tree.h"

#include <linux/filter.h>

#include <utility>

namespace ringtap::search_tree {

namespace {

// Conditional jumps reach 255 instructions. Code up to this length stays open, to share its exits with adjacent code;
// longer code is closed with its own exits.
constexpr std::size_t kOpenLength = 200;
// The number of tests in a leaf of the tree, done one after another: this takes fewer instructions than a tree down to
// single hosts, and no more time.
constexpr std::size_t kLeaf = 16;

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

}  // namespace

void Code::close() {
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

}  // namespace ringtap::search_tree
