#include "core/bpf/cbpf_program.h"

#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <limits>

#include "core/bpf/address_filter.h"
#include "core/bpf/address_locator.h"
#include "core/bpf/connection_filter.h"
#include "core/bpf/sample_filter.h"
#include "core/bpf/sample_program.h"
#include "core/bpf/slice_program.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

using Program = std::vector<FilterInstruction>;

// Instructions reserved for the table if there are address sets or connections: some sixty ranges. User space refuses
// the rest.
constexpr std::size_t kTableRoom = 256;

// The word of M[] that keeps what the locator of addresses found; the sampling leaves it alone.
constexpr std::uint32_t kLocated = 10;

constexpr std::uint32_t kHighest = std::numeric_limits<std::uint32_t>::max();

FilterInstruction statement(std::uint16_t code, std::uint32_t k) { return {code, 0, 0, k}; }
FilterInstruction jump(std::uint16_t code, std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
  return {code, yes, no, k};
}
FilterInstruction loadAncillary(std::uint32_t which) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF) + which);
}
FilterInstruction giveUp() { return statement(BPF_RET | BPF_K, 0); }

// Where the verdict changes at ascending indexes: answers[i] holds from starts[i] up to the next start.
struct Steps {
  std::vector<std::uint32_t> starts;
  std::vector<bool> refused;
};

Steps stepsOf(std::span<const IndexRange> ranges) {
  Steps steps;
  const auto add = [&](std::uint32_t start, bool refused) {
    steps.starts.push_back(start);
    steps.refused.push_back(refused);
  };
  if (ranges.empty() || ranges.front().first != 0) add(0, false);
  for (const IndexRange& range : ranges) {
    add(range.first, true);
    if (range.last != kHighest) add(range.last + 1, false);
  }
  return steps;
}

// A balanced search tree over the steps [low, high), with the index in A. Accepting leaves jump to the end of the tree.
// A subtree does not have the length of what follows it, so its caller adds that to `k`. These jumps are unconditional,
// since those have 32 bits for the distance and conditional ones only 8.
Program searchTree(const Steps& steps, std::size_t low, std::size_t high) {
  if (high - low == 1) {
    if (steps.refused[low]) return {giveUp()};
    return {statement(BPF_JMP | BPF_JA, 0)};
  }
  const std::size_t middle = low + (high - low) / 2;
  Program left = searchTree(steps, low, middle);
  const Program right = searchTree(steps, middle, high);
  for (FilterInstruction& instruction : left) {
    if (instruction.code == (BPF_JMP | BPF_JA)) instruction.k += static_cast<std::uint32_t>(right.size());
  }
  Program all;
  all.reserve(left.size() + right.size() + 2);
  if (left.size() <= 255) {
    all.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, steps.starts[middle], static_cast<std::uint8_t>(left.size()), 0));
  } else {
    all.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, steps.starts[middle], 0, 1));
    // This jump is not a leaf: it leads to the right subtree. It is marked until the leaves have been patched.
    all.push_back(statement(BPF_MISC | BPF_JA, static_cast<std::uint32_t>(left.size())));
  }
  all.insert(all.end(), left.begin(), left.end());
  all.insert(all.end(), right.begin(), right.end());
  return all;
}

Program assembleTable(std::span<const IndexRange> ranges) {
  if (ranges.empty()) return {};
  const Steps steps = stepsOf(ranges);
  Program program{loadAncillary(SKF_AD_IFINDEX)};
  const Program tree = searchTree(steps, 0, steps.starts.size());
  program.insert(program.end(), tree.begin(), tree.end());
  for (FilterInstruction& instruction : program) {
    if (instruction.code == (BPF_MISC | BPF_JA)) instruction.code = BPF_JMP | BPF_JA;
  }
  return program;
}

void assembleDirection(Program& program, Direction direction) {
  // A packet on loopback is seen twice, outgoing and incoming: the outgoing one is dropped, whatever the direction.
  program.push_back(loadAncillary(SKF_AD_PKTTYPE));
  switch (direction) {
    case Direction::Both:
      program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 3));
      program.push_back(loadAncillary(SKF_AD_HATYPE));
      program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0, 1));
      program.push_back(giveUp());
      break;
    case Direction::In:
      program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1));
      program.push_back(giveUp());
      break;
    case Direction::Out:
      program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 1, 0));
      program.push_back(giveUp());
      program.push_back(loadAncillary(SKF_AD_HATYPE));
      program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0, 1));
      program.push_back(giveUp());
      break;
  }
}

// What follows the acceptance of a packet: the sampling, and the number of bytes to keep.
Program assembleAcceptance(const FilterSpec& spec) {
  CbpfWriter out;
  if (spec.sample || spec.slice != Slice::None) appendLocators(out);
  if (spec.sample) {
    const auto take = out.label(), refuse = out.label();
    // The slice needs the locator's result too.
    out.op(BPF_ST, kLocated);
    appendSample(out, spec.sample->sample(), take, refuse);
    out.land(refuse);
    out.op(BPF_RET | BPF_K, 0);
    out.land(take);
    if (spec.slice != Slice::None) out.op(BPF_LD | BPF_MEM, kLocated);
  }
  if (spec.slice == Slice::None) out.op(BPF_RET | BPF_K, spec.snapshotLength);
  else out.append(sliceProgram(spec.slice, spec.snapshotLength));
  return out.finish();
}

// Makes the program jump to its end where it accepts: a filter of libpcap returns either 0 or the snapshot length.
void acceptAtEnd(Program& program) {
  for (std::size_t at = 0; at < program.size(); ++at) {
    FilterInstruction& each = program[at];
    if (each.code != (BPF_RET | BPF_K) || each.k == 0) continue;
    each = statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(program.size() - at - 1));
  }
}

Program assembleFilter(const FilterSpec& spec) {
  if (!spec.filtered) return assembleAcceptance(spec);
  Program program{loadAncillary(SKF_AD_HATYPE)};
  for (const LinkTypeFilter& link : spec.programs) {
    const std::vector<std::uint16_t> types = hardwareTypesOf(link.linkType);
    for (std::size_t i = 0; i < types.size(); ++i) {
      // A matching test jumps to the `ldx 0` below; the last one, if it fails, jumps past this link type's program.
      const auto behind = static_cast<std::uint8_t>(types.size() - i);
      program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, types[i], behind, 0));
    }
    program.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(link.instructions.size() + 2)));
    program.push_back(statement(BPF_LD | BPF_IMM, 0));  // the state at the start of a separate program
    program.push_back(statement(BPF_LDX | BPF_IMM, 0));
    program.insert(program.end(), link.instructions.begin(), link.instructions.end());
  }
  program.push_back(giveUp());
  if (!spec.sample && spec.slice == Slice::None) return program;
  acceptAtEnd(program);
  const Program acceptance = assembleAcceptance(spec);
  program.insert(program.end(), acceptance.begin(), acceptance.end());
  return program;
}

}  // namespace

const LinkTypeFilter* programFor(const FilterSpec& spec, std::uint16_t linkType) {
  const auto found = std::find_if(spec.programs.begin(), spec.programs.end(),
                                  [&](const LinkTypeFilter& program) { return program.linkType == linkType; });
  return found == spec.programs.end() ? nullptr : &*found;
}

std::vector<IndexRange> refusedRanges(const IndexTable& table, std::size_t limit) {
  std::vector<IndexRange> ranges;
  if (table.acceptUnlisted) {
    for (const std::uint32_t index : table.listed) {
      if (!ranges.empty() && ranges.back().last + 1 == index) ranges.back().last = index;
      else ranges.push_back({index, index});
    }
  } else {
    std::uint64_t next = 0;
    for (const std::uint32_t index : table.listed) {
      if (index > next) ranges.push_back({static_cast<std::uint32_t>(next), index - 1});
      next = std::uint64_t{index} + 1;
    }
    if (next <= kHighest) ranges.push_back({static_cast<std::uint32_t>(next), kHighest});
  }
  if (ranges.size() > limit) {
    std::nth_element(ranges.begin(), ranges.begin() + static_cast<std::ptrdiff_t>(limit), ranges.end(),
                     [](const IndexRange& a, const IndexRange& b) { return a.last - a.first > b.last - b.first; });
    ranges.resize(limit);
    std::sort(ranges.begin(), ranges.end(), [](const IndexRange& a, const IndexRange& b) { return a.first < b.first; });
  }
  return ranges;
}

Result<Program> assembleCbpf(const FilterSpec& spec, const IndexTable& table) {
  Program tail;
  assembleDirection(tail, spec.direction);
  const Program filter = assembleFilter(spec);
  const std::size_t length = tail.size() + filter.size();
  if (length > BPF_MAXINSNS) {
    return Error{Code::FilterTooLarge, "the filter has " + std::to_string(length) +
                                           " instructions with all link types together; the kernel takes " +
                                           std::to_string(BPF_MAXINSNS)};
  }
  const auto room = [&] {
    const std::size_t taken = tail.size() + filter.size() + kTableRoom;
    return taken < BPF_MAXINSNS ? BPF_MAXINSNS - taken : 0;
  };
  if (spec.addresses) {
    const auto addresses = spec.addresses->classic(room());
    if (!addresses) return addresses.error();
    tail.insert(tail.end(), addresses.value().begin(), addresses.value().end());
  }
  if (spec.connections) {
    const auto connections = spec.connections->classic(room());
    if (!connections) return connections.error();
    tail.insert(tail.end(), connections.value().begin(), connections.value().end());
  }
  tail.insert(tail.end(), filter.begin(), filter.end());
  Program program;
  for (std::size_t limit = table.listed.size() + 2;; limit = limit * 3 / 4) {
    program = assembleTable(refusedRanges(table, limit));
    if (program.size() + tail.size() <= BPF_MAXINSNS) break;
  }
  program.insert(program.end(), tail.begin(), tail.end());
  return program;
}

}  // namespace ringtap
