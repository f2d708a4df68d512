// Translates classic BPF into eBPF.
#pragma once

#include <linux/bpf.h>

#include <span>
#include <vector>

#include "core/filter/filter_instruction.h"
#include "core/util/result.h"

namespace ringtap {

// Appends the translation of a classic program. Expects the context in R6; preserves R8, and overwrites the other
// registers and the stack from -64 to -1. Every `ret` puts its value into R0 and jumps to the end of the appended code.
// The program starts with A = 0, or with A = R0 if it is given.
enum class Accumulator { Zero, Given };
[[nodiscard]] Result<> translateCbpf(std::span<const FilterInstruction> program, std::vector<bpf_insn>& out,
                                     Accumulator start = Accumulator::Zero);

}  // namespace ringtap
