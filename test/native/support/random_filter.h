// Random classic programs and packets: mostly valid, so that most programs run far.
#pragma once

#include <linux/filter.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "core/bpf/cbpf_program.h"
#include "core/filter/filter_instruction.h"
#include "core/filter/filter_interpreter.h"
#include "core/util/link_type.h"
#include "support/choices.h"

namespace support {

using ringtap::FilterInstruction;
using ringtap::FilterProgram;
using ringtap::PacketMetadata;

inline constexpr std::uint32_t kAncillary = static_cast<std::uint32_t>(SKF_AD_OFF);

inline FilterInstruction op(int code, std::uint32_t k = 0) { return {static_cast<std::uint16_t>(code), 0, 0, k}; }
inline FilterInstruction jump(int code, std::uint32_t k, int jt, int jf) {
  return {static_cast<std::uint16_t>(BPF_JMP | code), static_cast<std::uint8_t>(jt), static_cast<std::uint8_t>(jf), k};
}

// Ancillary loads that both forms of the socket filter support.
inline constexpr int kSharedAncillary[] = {SKF_AD_PROTOCOL, SKF_AD_PKTTYPE,          SKF_AD_IFINDEX,  SKF_AD_RXHASH,
                                           SKF_AD_VLAN_TAG, SKF_AD_VLAN_TAG_PRESENT, SKF_AD_VLAN_TPID};

// All opcodes that the kernel accepts except RET, which is added at the end and occasionally in between.
inline constexpr int kBodyCodes[] = {
    BPF_LD | BPF_W | BPF_ABS,
    BPF_LD | BPF_H | BPF_ABS,
    BPF_LD | BPF_B | BPF_ABS,
    BPF_LD | BPF_W | BPF_IND,
    BPF_LD | BPF_H | BPF_IND,
    BPF_LD | BPF_B | BPF_IND,
    BPF_LDX | BPF_B | BPF_MSH,
    BPF_LD | BPF_IMM,
    BPF_LDX | BPF_IMM,
    BPF_LD | BPF_W | BPF_LEN,
    BPF_LDX | BPF_W | BPF_LEN,
    BPF_ST,
    BPF_STX,
    BPF_LD | BPF_MEM,
    BPF_LDX | BPF_MEM,
    BPF_ALU | BPF_ADD | BPF_K,
    BPF_ALU | BPF_ADD | BPF_X,
    BPF_ALU | BPF_SUB | BPF_K,
    BPF_ALU | BPF_SUB | BPF_X,
    BPF_ALU | BPF_MUL | BPF_K,
    BPF_ALU | BPF_MUL | BPF_X,
    BPF_ALU | BPF_DIV | BPF_K,
    BPF_ALU | BPF_DIV | BPF_X,
    BPF_ALU | BPF_MOD | BPF_K,
    BPF_ALU | BPF_MOD | BPF_X,
    BPF_ALU | BPF_AND | BPF_K,
    BPF_ALU | BPF_AND | BPF_X,
    BPF_ALU | BPF_OR | BPF_K,
    BPF_ALU | BPF_OR | BPF_X,
    BPF_ALU | BPF_XOR | BPF_K,
    BPF_ALU | BPF_XOR | BPF_X,
    BPF_ALU | BPF_LSH | BPF_K,
    BPF_ALU | BPF_LSH | BPF_X,
    BPF_ALU | BPF_RSH | BPF_K,
    BPF_ALU | BPF_RSH | BPF_X,
    BPF_ALU | BPF_NEG,
    BPF_MISC | BPF_TAX,
    BPF_MISC | BPF_TXA,
    BPF_JMP | BPF_JEQ | BPF_K,
    BPF_JMP | BPF_JEQ | BPF_X,
    BPF_JMP | BPF_JGT | BPF_K,
    BPF_JMP | BPF_JGT | BPF_X,
    BPF_JMP | BPF_JGE | BPF_K,
    BPF_JMP | BPF_JGE | BPF_X,
    BPF_JMP | BPF_JSET | BPF_K,
    BPF_JMP | BPF_JSET | BPF_X,
    BPF_JMP | BPF_JA,
};

inline bool usesMemoryWord(const FilterInstruction& instruction) {
  const int kind = BPF_CLASS(instruction.code);
  if (kind == BPF_ST || kind == BPF_STX) return true;
  return (kind == BPF_LD || kind == BPF_LDX) && BPF_MODE(instruction.code) == BPF_MEM;
}

// Stores all of M[] first, because the kernel requires a store before any read. With `ancillary`, also loads metadata
// from the kernel (kSharedAncillary). Not always valid: divisions by 0 and shifts by 32 or more occur.
inline FilterProgram randomProgram(Choices& choices, bool ancillary = false, std::uint32_t longest = 16) {
  FilterProgram program;
  for (std::uint32_t i = 0; i < BPF_MEMWORDS; ++i) program.push_back(op(BPF_ST, i));
  const std::uint32_t body = 2 + choices.below(longest - 2);
  for (std::uint32_t i = 0; i < body; ++i) {
    if (choices.oneIn(24)) {
      program.push_back(op(BPF_RET | BPF_K, choices.below(100)));
      continue;
    }
    FilterInstruction each = op(kBodyCodes[choices.below(std::size(kBodyCodes))], choices.value());
    const std::uint32_t rest = std::min(body - i, 255u);
    if (BPF_CLASS(each.code) == BPF_JMP) {
      each.jt = static_cast<std::uint8_t>(choices.below(rest));
      each.jf = static_cast<std::uint8_t>(choices.below(rest));
      if (BPF_OP(each.code) == BPF_JA) each.k = choices.below(rest);
    }
    if (usesMemoryWord(each)) each.k %= BPF_MEMWORDS;
    const bool absolute = BPF_CLASS(each.code) == BPF_LD && BPF_MODE(each.code) == BPF_ABS;
    if (absolute && ancillary && choices.oneIn(2)) {
      each.k = kAncillary + static_cast<std::uint32_t>(kSharedAncillary[choices.below(std::size(kSharedAncillary))]);
    }
    program.push_back(each);
  }
  program.push_back(choices.oneIn(3) ? op(BPF_RET | BPF_K, 100) : op(BPF_RET | BPF_A));
  return program;
}

// Adds a random program for each of two link types, where it is valid.
inline void addRandomPrograms(Choices& choices, ringtap::FilterSpec& spec) {
  for (const std::uint16_t linkType : {ringtap::kLinkTypeEthernet, ringtap::kLinkTypeRaw}) {
    const FilterProgram program = randomProgram(choices, true);
    if (ringtap::validateFilter(program).ok()) spec.programs.push_back({linkType, program, {}});
  }
}

// Removes unreachable instructions, because the kernel refuses eBPF programs that contain any. `program` must be valid.
inline FilterProgram withoutUnreachable(const FilterProgram& program) {
  std::vector<bool> reached(program.size(), false);
  reached[0] = true;
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (!reached[i] || BPF_CLASS(program[i].code) == BPF_RET) continue;
    if (BPF_CLASS(program[i].code) != BPF_JMP) {
      reached[i + 1] = true;
    } else if (BPF_OP(program[i].code) == BPF_JA) {
      reached[i + 1 + program[i].k] = true;
    } else {
      reached[i + 1 + program[i].jt] = true;
      reached[i + 1 + program[i].jf] = true;
    }
  }
  const auto kept = [&](std::size_t from, std::size_t count) {
    return static_cast<std::uint32_t>(std::count(reached.begin() + static_cast<std::ptrdiff_t>(from),
                                                 reached.begin() + static_cast<std::ptrdiff_t>(from + count), true));
  };
  FilterProgram left;
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (!reached[i]) continue;
    FilterInstruction each = program[i];
    if (BPF_CLASS(each.code) == BPF_JMP) {
      if (BPF_OP(each.code) == BPF_JA) each.k = kept(i + 1, each.k);
      each.jt = static_cast<std::uint8_t>(kept(i + 1, each.jt));
      each.jf = static_cast<std::uint8_t>(kept(i + 1, each.jf));
    }
    left.push_back(each);
  }
  return left;
}

inline PacketMetadata randomMetadata(Choices& choices) {
  static constexpr std::uint16_t hardwareTypes[] = {1, 772, 0xfffe, 519, 768, 512, 801, 803, 824, 0xffff, 7};
  PacketMetadata metadata;
  metadata.packetType = static_cast<std::uint8_t>(choices.below(5));
  metadata.vlanPresent = choices.oneIn(3);
  if (metadata.vlanPresent) {
    metadata.vlanTci = static_cast<std::uint16_t>(choices.value() | 1);
    metadata.vlanTpid = 0x8100;
  }
  metadata.protocol = static_cast<std::uint16_t>(choices.oneIn(2) ? 0x0800 : choices.any());
  metadata.hardwareType = hardwareTypes[choices.below(std::size(hardwareTypes))];
  metadata.interfaceIndex = choices.value();
  metadata.rxHash = choices.any();
  metadata.networkOffset = choices.oneIn(3) ? choices.below(30) : 14;
  return metadata;
}

}  // namespace support
