#include "core/bpf/ebpf_program.h"

#include <linux/filter.h>
#include <linux/if_packet.h>

#include <cstddef>

#include "core/bpf/ebpf_assembler.h"
#include "core/util/link_type.h"

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

}  // namespace

Result<> translateCbpf(std::span<const FilterInstruction> program, std::vector<bpf_insn>& code) {
  // A is R0, where the packet loads (BPF_LD_ABS, BPF_LD_IND) return their result; X is R7, which they preserve. A load
  // beyond the packet ends the whole program with 0, as in classic BPF.
  Assembler out(code);
  std::vector<std::size_t> starts;                         // the position of each classic instruction
  std::vector<std::pair<std::size_t, std::size_t>> jumps;  // (from, classic target)
  std::vector<std::size_t> ends;                           // jumps to the end of the program
  const auto jumpTo = [&](std::size_t at, std::size_t target) { jumps.emplace_back(at, target); };
  const auto finish = [&] { ends.push_back(out.jumpAlways()); };

  for (std::uint32_t slot = 0; slot < BPF_MEMWORDS; ++slot) {
    for (const FilterInstruction& instruction : program) {
      if (!usesMemory(instruction, slot)) continue;
      out.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, memorySlot(slot), 0);  // the verifier refuses reads of unset memory
      break;
    }
  }
  out.set(R0, 0);
  out.set(R7, 0);
  for (std::size_t at = 0; at < program.size(); ++at) {
    const FilterInstruction& in = program[at];
    const auto k = static_cast<std::int32_t>(in.k);
    starts.push_back(code.size());
    switch (BPF_CLASS(in.code)) {
      case BPF_LD:
        switch (BPF_MODE(in.code)) {
          case BPF_IMM: out.set(R0, in.k); break;
          case BPF_MEM: out.load32(R0, R10, memorySlot(in.k)); break;
          case BPF_LEN: out.context(R0, offsetof(__sk_buff, len)); break;
          case BPF_IND: out.emit(static_cast<std::uint8_t>(BPF_LD | BPF_IND | BPF_SIZE(in.code)), 0, R7, 0, k); break;
          case BPF_ABS:
            if (k >= SKF_AD_OFF && k < 0) {
              if (!loadAncillary(out, static_cast<std::uint32_t>(k - SKF_AD_OFF))) return noTranslation(in);
            } else {
              out.emit(static_cast<std::uint8_t>(BPF_LD | BPF_ABS | BPF_SIZE(in.code)), 0, 0, 0, k);
            }
            break;
          default: return noTranslation(in);
        }
        break;
      case BPF_LDX:
        switch (BPF_MODE(in.code)) {
          case BPF_IMM: out.set(R7, in.k); break;
          case BPF_MEM: out.load32(R7, R10, memorySlot(in.k)); break;
          case BPF_LEN: out.context(R7, offsetof(__sk_buff, len)); break;
          case BPF_MSH:  // X = 4 * (P[k] & 15), A unchanged
            out.copy32(R9, R0);
            out.emit(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, k);
            out.emit(BPF_ALU | BPF_AND | BPF_K, R0, 0, 0, 15);
            out.emit(BPF_ALU | BPF_LSH | BPF_K, R0, 0, 0, 2);
            out.copy32(R7, R0);
            out.copy32(R0, R9);
            break;
          default: return noTranslation(in);
        }
        break;
      case BPF_ST: out.store32(memorySlot(in.k), R0); break;
      case BPF_STX: out.store32(memorySlot(in.k), R7); break;
      case BPF_ALU: {
        const auto op = static_cast<std::uint8_t>(BPF_OP(in.code));
        if (op == BPF_NEG) {
          out.emit(BPF_ALU | BPF_NEG, R0, 0, 0, 0);
        } else if (BPF_SRC(in.code) == BPF_X) {
          if (op == BPF_DIV || op == BPF_MOD) {  // division by zero refuses the packet; eBPF alone would continue
            const std::size_t fine = out.jump32(BPF_JNE, R7, 0);
            out.set(R0, 0);
            finish();
            if (!out.land(fine)) return tooFar();
          }
          out.emit(static_cast<std::uint8_t>(BPF_ALU | op | BPF_X), R0, R7, 0, 0);
        } else {
          out.emit(static_cast<std::uint8_t>(BPF_ALU | op | BPF_K), R0, 0, 0, k);
        }
        break;
      }
      case BPF_JMP: {
        const auto op = static_cast<std::uint8_t>(BPF_OP(in.code));
        if (op == BPF_JA) {
          jumpTo(out.jumpAlways(), at + 1 + in.k);
          break;
        }
        // 32-bit comparison: a 64-bit one would sign-extend k.
        if (BPF_SRC(in.code) == BPF_X) out.emit(static_cast<std::uint8_t>(BPF_JMP32 | op | BPF_X), R0, R7, 0, 0);
        else out.emit(static_cast<std::uint8_t>(BPF_JMP32 | op | BPF_K), R0, 0, 0, k);
        jumpTo(code.size() - 1, at + 1 + in.jt);
        if (in.jf != 0) jumpTo(out.jumpAlways(), at + 1 + in.jf);
        break;
      }
      case BPF_RET:
        if (BPF_RVAL(in.code) != BPF_A) out.set(R0, in.k);
        finish();
        break;
      case BPF_MISC:
        if (BPF_MISCOP(in.code) == BPF_TAX) out.copy32(R7, R0);
        else out.copy32(R0, R7);
        break;
    }
  }
  for (const auto& [from, target] : jumps) {
    if (target >= starts.size()) return Error{Code::FilterSyntax, "a jump of the filter leaves the program"};
    if (!out.land(from, starts[target])) return tooFar();
  }
  for (const std::size_t from : ends) {
    if (!out.land(from)) return tooFar();
  }
  return {};
}

Result<std::vector<bpf_insn>> assembleEbpf(const FilterSpec& spec, bool acceptUnlisted, const EbpfMaps& maps) {
  std::vector<bpf_insn> code;
  Assembler out(code);
  std::vector<std::size_t> refuse;  // jumps to the refusing end

  out.copy64(R6, R1);
  out.context(R9, offsetof(__sk_buff, pkt_type));
  std::optional<DedupeProgram> dedupe;
  if (maps.dedupe) dedupe.emplace(code, maps.slotOf, *maps.dedupe);
  if (dedupe && !dedupe->sight()) return tooFar();
  if (spec.direction == Direction::In) refuse.push_back(out.jump32(BPF_JEQ, R9, PACKET_OUTGOING));
  if (spec.direction == Direction::Out) refuse.push_back(out.jump32(BPF_JNE, R9, PACKET_OUTGOING));
  out.context(R0, offsetof(__sk_buff, ifindex));
  out.store32(kKey, R0);
  out.lookup(maps.slotOf, kKey);
  const std::size_t known = out.jump(BPF_JNE, R0, 0);

  // An interface without a slot.
  if (acceptUnlisted) {
    out.lookup(maps.unlistedMap, kKey);
    const std::size_t counted = out.jump(BPF_JNE, R0, 0);
    out.emit(BPF_ST | BPF_MEM | BPF_DW, R10, 0, kCount, 0);
    out.mapAndKey(maps.unlistedMap, kKey);
    out.copy64(R3, R10);
    out.emit(BPF_ALU64 | BPF_ADD | BPF_K, R3, 0, 0, kCount);
    out.set(R4, BPF_NOEXIST);
    out.call(BPF_FUNC_map_update_elem);
    out.lookup(maps.unlistedMap, kKey);
    const std::size_t full = out.jump(BPF_JEQ, R0, 0);
    if (!out.land(counted)) return tooFar();
    out.increment(R0, 0);
    if (!out.land(full)) return tooFar();
    out.set(R0, spec.snapshotLength);
    out.exit();
  } else {
    out.set(R0, 0);
    out.exit();
  }

  if (!out.land(known)) return tooFar();
  out.load32(R0, R0, 0);
  out.store32(kKey, R0);
  out.lookup(maps.slots, kKey);
  refuse.push_back(out.jump(BPF_JEQ, R0, 0));
  out.copy64(R8, R0);
  out.load32(R1, R8, offsetof(Slot, flags));
  refuse.push_back(out.jump32(BPF_JSET, R1, kSlotRefused));
  const std::size_t arriving = out.jump32(BPF_JNE, R9, PACKET_OUTGOING);
  refuse.push_back(out.jump32(BPF_JSET, R1, kSlotLoopback));
  if (!out.land(arriving)) return tooFar();

  std::vector<std::size_t> decided;
  if (spec.filtered) {
    out.emit(BPF_ALU | BPF_RSH | BPF_K, R1, 0, 0, kSlotLinkTypeShift);
    for (const LinkTypeFilter& link : spec.programs) {
      const std::size_t other = out.jump32(BPF_JNE, R1, linkTypeOrdinal(link.linkType));
      if (auto translated = translateCbpf(link.instructions, code); !translated) {
        return translated.error();
      }
      decided.push_back(out.jumpAlways());
      if (!out.land(other)) return tooFar();
    }
    refuse.push_back(out.jumpAlways());
  } else {
    out.set(R0, spec.snapshotLength);
  }
  if (!spec.filtered || !decided.empty()) {  // otherwise this is unreachable, which the verifier refuses
    for (const std::size_t from : decided) {
      if (!out.land(from)) return tooFar();
    }
    refuse.push_back(out.jump32(BPF_JEQ, R0, 0));
    if (maps.addresses) {
      out.load32(R1, R8, offsetof(Slot, flags));
      out.emit(BPF_ALU | BPF_RSH | BPF_K, R1, 0, 0, kSlotLinkTypeShift);
      if (auto checked = appendAddressCheck(*maps.addresses, R1, code, refuse); !checked) return checked.error();
    }
    if (dedupe && !dedupe->accept(refuse)) return tooFar();
    out.increment(R8, offsetof(Slot, accepted));
    out.exit();
  }
  for (const std::size_t from : refuse) {
    if (!out.land(from)) return tooFar();
  }
  out.set(R0, 0);
  out.exit();
  return code;
}

}  // namespace ringtap
