// A classic BPF instruction, in the layout of both the kernel (struct sock_filter) and libpcap (struct bpf_insn).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringtap {

struct FilterInstruction {
  std::uint16_t code = 0;
  std::uint8_t jt = 0;
  std::uint8_t jf = 0;
  std::uint32_t k = 0;
  bool operator==(const FilterInstruction&) const = default;
};
static_assert(sizeof(FilterInstruction) == 8);

using FilterProgram = std::vector<FilterInstruction>;

// BPF_MAXINSNS: the kernel refuses longer classic programs.
inline constexpr std::size_t kMaxFilterInstructions = 4096;

}  // namespace ringtap
