// A check of the kernel on classic BPF that the interpreter does not make.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "core/filter/filter_instruction.h"

namespace support {

// The rules of net/core/filter.c, check_load_and_stores, which the kernel applies to a classic program: a word of M[]
// is stored on every way to a load of it. Execution also continues behind `ret`.
inline bool storesBeforeLoads(const ringtap::FilterProgram& program) {
  std::vector<std::uint16_t> valid(program.size() + 1, 0xffff);
  std::uint16_t now = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const ringtap::FilterInstruction& each = program[at];
    now &= valid[at];
    switch (each.code) {
      case BPF_ST:
      case BPF_STX: now = static_cast<std::uint16_t>(now | 1 << each.k); break;
      case BPF_LD | BPF_MEM:
      case BPF_LDX | BPF_MEM:
        if ((now & 1 << each.k) == 0) return false;
        break;
      case BPF_JMP | BPF_JA:
        valid[at + 1 + each.k] &= now;
        now = 0xffff;
        break;
      default:
        if (BPF_CLASS(each.code) != BPF_JMP) break;
        valid[at + 1 + each.jt] &= now;
        valid[at + 1 + each.jf] &= now;
        now = 0xffff;
    }
  }
  return true;
}

}  // namespace support
