#include "core/bpf/ebpf_translation.h"

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "core/bpf/ebpf_assembler.h"

namespace ringtap {

using namespace ebpf;

namespace {

Error noTranslation(const FilterInstruction& instruction) {
  return Error{Code::FilterSyntax, "the filter has an instruction without an eBPF form (code " +
                                       std::to_string(instruction.code) + ", k " + std::to_string(instruction.k) + ")"};
}

// SKF_AD_* loads: the kernel translates them to fields of struct sk_buff; here they are fields of struct __sk_buff.
[[nodiscard]] bool loadAncillary(Assembler& out, std::uint32_t which) {
  const auto swapped = [&](std::size_t field) {  // stored in network byte order
    out.context(R0, field);
    out.emit(BPF_ALU | BPF_END | BPF_TO_BE, R0, 0, 0, 16);
  };
  switch (which) {
    case SKF_AD_PROTOCOL: swapped(offsetof(__sk_buff, protocol)); return true;
    case SKF_AD_VLAN_TPID: swapped(offsetof(__sk_buff, vlan_proto)); return true;
    case SKF_AD_PKTTYPE: out.context(R0, offsetof(__sk_buff, pkt_type)); return true;
    case SKF_AD_IFINDEX: out.context(R0, offsetof(__sk_buff, ifindex)); return true;
    case SKF_AD_MARK: out.context(R0, offsetof(__sk_buff, mark)); return true;
    case SKF_AD_QUEUE: out.context(R0, offsetof(__sk_buff, queue_mapping)); return true;
    case SKF_AD_RXHASH: out.context(R0, offsetof(__sk_buff, hash)); return true;
    case SKF_AD_VLAN_TAG: out.context(R0, offsetof(__sk_buff, vlan_tci)); return true;
    case SKF_AD_VLAN_TAG_PRESENT: out.context(R0, offsetof(__sk_buff, vlan_present)); return true;
    default: return false;
  }
}

std::int16_t memorySlot(std::uint32_t k) { return static_cast<std::int16_t>(kMemory + 4 * static_cast<int>(k & 15)); }

bool usesMemory(const FilterInstruction& instruction, std::uint32_t slot) {
  const int kind = BPF_CLASS(instruction.code);
  const bool load = (kind == BPF_LD || kind == BPF_LDX) && BPF_MODE(instruction.code) == BPF_MEM;
  return (load || kind == BPF_ST || kind == BPF_STX) && (instruction.k & 15) == slot;
}

// A is R0, where the packet loads (BPF_LD_ABS, BPF_LD_IND) return their result; X is R7, which they preserve. A load
// beyond the packet ends the whole program with 0, as in classic BPF.
class Translation {
 public:
  Translation(std::span<const FilterInstruction> program, std::vector<bpf_insn>& code)
      : program_(program), code_(code), out_(code) {}

  Result<> run(Accumulator start) {
    clear(start);
    for (const FilterInstruction& in : program_) {
      starts_.push_back(code_.size());
      if (auto done = append(in); !done) return done;
    }
    for (const auto& [from, target] : jumps_) {
      if (target >= starts_.size()) return Error{Code::FilterSyntax, "a jump of the filter leaves the program"};
      if (!out_.land(from, starts_[target])) return tooFar();
    }
    for (const std::size_t from : ends_) {
      if (!out_.land(from)) return tooFar();
    }
    return {};
  }

 private:
  // The verifier refuses reads of unset memory and registers.
  void clear(Accumulator start) {
    for (std::uint32_t slot = 0; slot < BPF_MEMWORDS; ++slot) {
      for (const FilterInstruction& instruction : program_) {
        if (!usesMemory(instruction, slot)) continue;
        out_.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, memorySlot(slot), 0);
        break;
      }
    }
    if (start == Accumulator::Zero) out_.set(R0, 0);
    out_.set(R7, 0);
  }

  Result<> append(const FilterInstruction& in) {
    switch (BPF_CLASS(in.code)) {
      case BPF_LD: return loadA(in);
      case BPF_LDX: return loadX(in);
      case BPF_ST: out_.store32(memorySlot(in.k), R0); break;
      case BPF_STX: out_.store32(memorySlot(in.k), R7); break;
      case BPF_ALU: return arithmetic(in);
      case BPF_JMP: jump(in); break;
      case BPF_RET:
        if (BPF_RVAL(in.code) != BPF_A) out_.set(R0, in.k);
        finish();
        break;
      case BPF_MISC:
        if (BPF_MISCOP(in.code) == BPF_TAX) out_.copy32(R7, R0);
        else out_.copy32(R0, R7);
        break;
    }
    return {};
  }

  Result<> loadA(const FilterInstruction& in) {
    const auto k = static_cast<std::int32_t>(in.k);
    switch (BPF_MODE(in.code)) {
      case BPF_IMM: out_.set(R0, in.k); break;
      case BPF_MEM: out_.load32(R0, R10, memorySlot(in.k)); break;
      case BPF_LEN: out_.context(R0, offsetof(__sk_buff, len)); break;
      case BPF_IND: out_.emit(static_cast<std::uint8_t>(BPF_LD | BPF_IND | BPF_SIZE(in.code)), 0, R7, 0, k); break;
      case BPF_ABS:
        if (k >= SKF_AD_OFF && k < 0) {
          if (!loadAncillary(out_, static_cast<std::uint32_t>(k - SKF_AD_OFF))) return noTranslation(in);
        } else {
          out_.emit(static_cast<std::uint8_t>(BPF_LD | BPF_ABS | BPF_SIZE(in.code)), 0, 0, 0, k);
        }
        break;
      default: return noTranslation(in);
    }
    return {};
  }

  Result<> loadX(const FilterInstruction& in) {
    switch (BPF_MODE(in.code)) {
      case BPF_IMM: out_.set(R7, in.k); break;
      case BPF_MEM: out_.load32(R7, R10, memorySlot(in.k)); break;
      case BPF_LEN: out_.context(R7, offsetof(__sk_buff, len)); break;
      case BPF_MSH:  // X = 4 * (P[k] & 15), A unchanged
        out_.copy32(R9, R0);
        out_.emit(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, static_cast<std::int32_t>(in.k));
        out_.emit(BPF_ALU | BPF_AND | BPF_K, R0, 0, 0, 15);
        out_.emit(BPF_ALU | BPF_LSH | BPF_K, R0, 0, 0, 2);
        out_.copy32(R7, R0);
        out_.copy32(R0, R9);
        break;
      default: return noTranslation(in);
    }
    return {};
  }

  Result<> arithmetic(const FilterInstruction& in) {
    const auto op = static_cast<std::uint8_t>(BPF_OP(in.code));
    if (op == BPF_NEG) {
      out_.emit(BPF_ALU | BPF_NEG, R0, 0, 0, 0);
    } else if (BPF_SRC(in.code) == BPF_X) {
      if (op == BPF_DIV || op == BPF_MOD) {  // division by zero refuses the packet; eBPF alone would continue
        const std::size_t fine = out_.jump32(BPF_JNE, R7, 0);
        out_.set(R0, 0);
        finish();
        if (!out_.land(fine)) return tooFar();
      }
      out_.emit(static_cast<std::uint8_t>(BPF_ALU | op | BPF_X), R0, R7, 0, 0);
    } else {
      out_.emit(static_cast<std::uint8_t>(BPF_ALU | op | BPF_K), R0, 0, 0, static_cast<std::int32_t>(in.k));
    }
    return {};
  }

  void jump(const FilterInstruction& in) {
    const std::size_t next = starts_.size();  // the classic position of the next instruction
    const auto op = static_cast<std::uint8_t>(BPF_OP(in.code));
    if (op == BPF_JA) {
      jumps_.emplace_back(out_.jumpAlways(), next + in.k);
      return;
    }
    // 32-bit comparison: a 64-bit one would sign-extend k.
    if (BPF_SRC(in.code) == BPF_X) out_.emit(static_cast<std::uint8_t>(BPF_JMP32 | op | BPF_X), R0, R7, 0, 0);
    else out_.emit(static_cast<std::uint8_t>(BPF_JMP32 | op | BPF_K), R0, 0, 0, static_cast<std::int32_t>(in.k));
    jumps_.emplace_back(out_.last(), next + in.jt);
    if (in.jf != 0) jumps_.emplace_back(out_.jumpAlways(), next + in.jf);
  }

  void finish() { ends_.push_back(out_.jumpAlways()); }

  std::span<const FilterInstruction> program_;
  std::vector<bpf_insn>& code_;
  Assembler out_;
  std::vector<std::size_t> starts_;                         // the position of each classic instruction
  std::vector<std::pair<std::size_t, std::size_t>> jumps_;  // (from, classic target)
  std::vector<std::size_t> ends_;                           // jumps to the end of the program
};

}  // namespace

Result<> translateCbpf(std::span<const FilterInstruction> program, std::vector<bpf_insn>& code, Accumulator start) {
  return Translation(program, code).run(start);
}

}  // namespace ringtap
