// The whole socket filter: which interfaces, which direction, and the user's filter, as one classic BPF program.
//
// The eBPF mode of the same is in ebpf_program.h; both give the same verdict for every packet.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/bpf/filter.h"
#include "core/util/result.h"

namespace ringtap {

class AddressFilter;

enum class Direction { Both, In, Out };

// What a packet must satisfy, apart from its interface.
struct FilterSpec {
  // The user's expression, compiled for each link type; a link type that is missing here matches nothing. Empty with
  // `filtered` false: everything matches.
  std::vector<LinkTypeFilter> programs;
  bool filtered = false;
  std::shared_ptr<const AddressFilter> addresses;  // excludeHosts and includeHosts; null: every address passes
  std::string expression;                          // what the programs were compiled from
  std::uint32_t snapshotLength = 262144;
  Direction direction = Direction::Both;
};

// The program for a link type, nullptr where nothing of that link type matches.
[[nodiscard]] const LinkTypeFilter* programFor(const FilterSpec& spec, std::uint16_t linkType);

// The set of interface indexes whose packets pass.
struct IndexTable {
  bool acceptUnlisted = true;
  // Sorted, without doubles: the refused ones where acceptUnlisted, else the accepted ones.
  std::vector<std::uint32_t> listed;
};

// Indexes first to last, inclusive, whose packets are refused.
struct IndexRange {
  std::uint32_t first;
  std::uint32_t last;
  bool operator==(const IndexRange&) const = default;
};

// The table as ascending, disjoint, non-adjacent ranges of refused indexes, `limit` of them at most. Where there are
// more, small ones are left out: those packets then pass the kernel and are refused when their block is walked.
[[nodiscard]] std::vector<IndexRange> refusedRanges(const IndexTable& table, std::size_t limit);

// Assembles the program, in at most 4096 instructions; the table is thinned (see refusedRanges) where it would not fit.
// ERR_FILTER_TOO_LARGE where the user's part alone is too long, or the address sets beside it: these leave room for a
// table of some size.
[[nodiscard]] Result<std::vector<FilterInstruction>> assembleCbpf(const FilterSpec& spec, const IndexTable& table);

}  // namespace ringtap
