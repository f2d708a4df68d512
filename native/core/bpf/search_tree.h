// Search trees in classic BPF: whether a word is one of many values, or in one of many ranges. For the address sets and
// the sets of connections in the classic filter mode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/filter/filter_instruction.h"

namespace ringtap::search_tree {

// The results of a search.
enum Exit : std::uint8_t { kNeutral, kIncluded, kRefused, kExits };

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

  // Ends the code with its own exits, unless it has them.
  void close();
};

// A step of the search: a range of values of a word, and its result.
struct Test {
  std::uint32_t first;
  std::uint32_t last;
  Exit exit;
  Code then;  // for a single value: the search in the following words; else empty

  [[nodiscard]] std::size_t size() const { return (first == last ? 1 : 2) + then.code.size(); }
};

// A search tree over ascending, disjoint tests of the word in A. There is at least one.
[[nodiscard]] Code treeOf(std::span<const Test> tests);

}  // namespace ringtap::search_tree
