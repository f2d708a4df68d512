// The whole socket filter as one classic BPF program: interfaces, direction, and the user's filter.
//
// ebpf_program.h has its eBPF form; both give the same verdict for every packet.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/bpf/slice.h"
#include "core/filter/filter.h"
#include "core/util/result.h"

namespace ringtap {

class AddressFilter;
class ConnectionFilter;
class SampleFilter;

enum class Direction { Both, In, Out };

// The conditions a packet must meet, other than its interface.
struct FilterSpec {
  // The user's expression, compiled for each link type; a link type without a program matches nothing. Empty and
  // `filtered` false: everything matches.
  std::vector<LinkTypeFilter> programs;
  bool filtered = false;
  std::shared_ptr<const AddressFilter> addresses;       // excludeHosts and includeHosts; null: every address passes
  std::shared_ptr<const ConnectionFilter> connections;  // excludeConnections; null: none
  std::shared_ptr<const SampleFilter> sample;           // applied to what all of these accept; null: every flow
  Slice slice = Slice::None;                            // cuts packets further than the snapshot length
  std::string expression;                               // the source of the programs
  std::uint32_t snapshotLength = 262144;
  Direction direction = Direction::Both;
};

// The program for a link type, nullptr if nothing of that link type matches.
[[nodiscard]] const LinkTypeFilter* programFor(const FilterSpec& spec, std::uint16_t linkType);

// The set of interface indexes whose packets are accepted.
struct IndexTable {
  bool acceptUnlisted = true;
  // Sorted, no duplicates: the refused indexes if acceptUnlisted, else the accepted ones.
  std::vector<std::uint32_t> listed;
};

// Indexes first to last, inclusive, whose packets are refused.
struct IndexRange {
  std::uint32_t first;
  std::uint32_t last;
  bool operator==(const IndexRange&) const = default;
};

// The table as ascending, disjoint, non-adjacent ranges of refused indexes, at most `limit` of them. If there are more,
// the smallest are omitted: their packets pass the kernel and are refused when their block is walked.
[[nodiscard]] std::vector<IndexRange> refusedRanges(const IndexTable& table, std::size_t limit);

// Assembles the program, in at most 4096 instructions; the table is thinned (see refusedRanges) if it would not fit.
// ERR_FILTER_TOO_LARGE if the user's part is too long, alone or together with the address sets and connections; some
// instructions are reserved for the table.
[[nodiscard]] Result<std::vector<FilterInstruction>> assembleCbpf(const FilterSpec& spec, const IndexTable& table);

}  // namespace ringtap
