#include "core/filter/filter_interpreter.h"

#include <pcap/pcap.h>

#include <string>

#include "core/filter/kernel_loads.h"

namespace ringtap {

namespace {

namespace loads = kernel_loads;

bool isKnownAncillary(std::uint32_t k) {
  switch (k) {
    case loads::kProtocol:
    case loads::kPacketType:
    case loads::kInterfaceIndex:
    case loads::kHardwareType:
    case loads::kRxHash:
    case loads::kXorX:
    case loads::kVlanTag:
    case loads::kVlanTagPresent:
    case loads::kVlanTpid: return true;
    default: return false;
  }
}

// Why an instruction is invalid; nullptr if it is valid. `following`: the number of instructions after it.
const char* flaw(const FilterInstruction& instruction, std::size_t following) {
  switch (instruction.code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_H | BPF_ABS:
    case BPF_LD | BPF_B | BPF_ABS:
      if (instruction.k >= loads::kAncillary && !isKnownAncillary(instruction.k)) {
        return "an ancillary load that only the kernel can answer";
      }
      return nullptr;
    case BPF_LD | BPF_W | BPF_IND:
    case BPF_LD | BPF_H | BPF_IND:
    case BPF_LD | BPF_B | BPF_IND:
    case BPF_LD | BPF_IMM:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_IMM:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_B | BPF_MSH:
    case BPF_ALU | BPF_ADD | BPF_K:
    case BPF_ALU | BPF_ADD | BPF_X:
    case BPF_ALU | BPF_SUB | BPF_K:
    case BPF_ALU | BPF_SUB | BPF_X:
    case BPF_ALU | BPF_MUL | BPF_K:
    case BPF_ALU | BPF_MUL | BPF_X:
    case BPF_ALU | BPF_DIV | BPF_X:
    case BPF_ALU | BPF_MOD | BPF_X:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_ALU | BPF_AND | BPF_X:
    case BPF_ALU | BPF_OR | BPF_K:
    case BPF_ALU | BPF_OR | BPF_X:
    case BPF_ALU | BPF_XOR | BPF_K:
    case BPF_ALU | BPF_XOR | BPF_X:
    case BPF_ALU | BPF_LSH | BPF_X:
    case BPF_ALU | BPF_RSH | BPF_X:
    case BPF_ALU | BPF_NEG:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A: return nullptr;
    case BPF_ALU | BPF_DIV | BPF_K:
    case BPF_ALU | BPF_MOD | BPF_K: return instruction.k == 0 ? "a division by the constant 0" : nullptr;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K: return instruction.k >= 32 ? "a shift by more than 31" : nullptr;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX: return instruction.k >= BPF_MEMWORDS ? "a memory word that does not exist" : nullptr;
    case BPF_JMP | BPF_JA: return instruction.k >= following ? "a jump out of the program" : nullptr;
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JEQ | BPF_X:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_X:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_X:
    case BPF_JMP | BPF_JSET | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_X:
      return instruction.jt >= following || instruction.jf >= following ? "a jump out of the program" : nullptr;
    default: return "an unknown instruction";
  }
}

// The packet as accessed by the load instructions.
class Packet {
 public:
  // `undecided`: as for runFilter().
  Packet(std::span<const std::uint8_t> bytes, std::uint32_t originalLength, const PacketMetadata& metadata,
         std::uint32_t undecided)
      : bytes_(bytes), originalLength_(originalLength), metadata_(metadata), undecided_(undecided) {}

  template <unsigned Size>
  [[nodiscard]] bool load(std::uint32_t offset, std::uint32_t& to) const {
    std::size_t at = offset;
    if (static_cast<std::int32_t>(offset) < 0 && !resolve(offset, at)) return false;
    if (at > bytes_.size() || bytes_.size() - at < Size) return false;
    const std::uint8_t* p = bytes_.data() + at;
    if constexpr (Size == 1) to = p[0];
    else if constexpr (Size == 2) to = std::uint32_t{p[0]} << 8 | p[1];
    else to = std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
    return true;
  }

  // What the program ends with if load() of this offset has failed.
  template <unsigned Size>
  [[nodiscard]] std::uint32_t beyond(std::uint32_t offset) const {
    std::size_t at = offset;
    if (static_cast<std::int32_t>(offset) < 0 && !resolve(offset, at)) return 0;
    return at + Size <= originalLength_ ? undecided_ : 0;
  }

  // bpf_convert_ancillary: the width of the load does not matter.
  void loadAncillary(std::uint32_t k, std::uint32_t x, std::uint32_t& a) const {
    switch (k) {
      case loads::kProtocol: a = metadata_.protocol; break;
      case loads::kPacketType: a = metadata_.packetType; break;
      case loads::kInterfaceIndex: a = metadata_.interfaceIndex; break;
      case loads::kHardwareType: a = metadata_.hardwareType; break;
      case loads::kRxHash: a = metadata_.rxHash; break;
      case loads::kXorX: a ^= x; break;
      case loads::kVlanTag: a = metadata_.vlanTci; break;
      case loads::kVlanTagPresent: a = metadata_.vlanPresent ? 1 : 0; break;
      case loads::kVlanTpid: a = metadata_.vlanTpid; break;
      default: break;  // validateFilter refuses all others
    }
  }

 private:
  // bpf_skb_load_helper_convert_offset: negative offsets count from the network header or from the link header.
  [[nodiscard]] bool resolve(std::uint32_t offset, std::size_t& at) const {
    if (offset >= loads::kNetworkHeader) {
      at = std::size_t{offset - loads::kNetworkHeader} + metadata_.networkOffset;
      return true;
    }
    if (offset >= loads::kLinkHeader) {
      at = offset - loads::kLinkHeader;
      return true;
    }
    return false;
  }

  std::span<const std::uint8_t> bytes_;
  const std::uint32_t originalLength_;
  const PacketMetadata& metadata_;
  const std::uint32_t undecided_;
};

}  // namespace

Result<> validateFilter(std::span<const FilterInstruction> program) {
  if (program.empty() || program.size() > kMaxFilterInstructions) {
    return Error{Code::Option, "a filter program has 1 to " + std::to_string(kMaxFilterInstructions) +
                                   " instructions; this one has " + std::to_string(program.size())};
  }
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (const char* reason = flaw(program[i], program.size() - i - 1)) {
      return Error{Code::Option, "filter instruction " + std::to_string(i) + " is " + reason};
    }
  }
  const std::uint16_t last = program.back().code;
  if (last != (BPF_RET | BPF_K) && last != (BPF_RET | BPF_A)) {
    return Error{Code::Option, "the filter program does not end with a return"};
  }
  return {};
}

std::uint32_t runFilter(std::span<const FilterInstruction> program, std::span<const std::uint8_t> bytes,
                        std::uint32_t originalLength, const PacketMetadata& metadata, std::uint32_t undecided) {
  FilterMemory memory;
  return runFilter(program, bytes, originalLength, metadata, memory, undecided);
}

std::uint32_t runFilter(std::span<const FilterInstruction> program, std::span<const std::uint8_t> bytes,
                        std::uint32_t originalLength, const PacketMetadata& metadata, FilterMemory& memory,
                        std::uint32_t undecided) {
  static_assert(std::tuple_size_v<FilterMemory> == BPF_MEMWORDS);
  const Packet packet(bytes, originalLength, metadata, undecided);
  std::uint32_t a = 0;
  std::uint32_t x = 0;
  memory.fill(0);

  // Jumps only go forward and the last instruction returns, so the loop ends.
  for (const FilterInstruction* pc = program.data();; ++pc) {
    const std::uint32_t k = pc->k;
    switch (pc->code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (k >= loads::kAncillary) packet.loadAncillary(k, x, a);
        else if (!packet.load<4>(k, a)) return packet.beyond<4>(k);
        break;
      case BPF_LD | BPF_H | BPF_ABS:
        if (k >= loads::kAncillary) packet.loadAncillary(k, x, a);
        else if (!packet.load<2>(k, a)) return packet.beyond<2>(k);
        break;
      case BPF_LD | BPF_B | BPF_ABS:
        if (k >= loads::kAncillary) packet.loadAncillary(k, x, a);
        else if (!packet.load<1>(k, a)) return packet.beyond<1>(k);
        break;
      // X + k wraps at 32 bits, as in the kernel.
      case BPF_LD | BPF_W | BPF_IND:
        if (!packet.load<4>(x + k, a)) return packet.beyond<4>(x + k);
        break;
      case BPF_LD | BPF_H | BPF_IND:
        if (!packet.load<2>(x + k, a)) return packet.beyond<2>(x + k);
        break;
      case BPF_LD | BPF_B | BPF_IND:
        if (!packet.load<1>(x + k, a)) return packet.beyond<1>(x + k);
        break;
      case BPF_LDX | BPF_B | BPF_MSH:
        if (!packet.load<1>(k, x)) return packet.beyond<1>(k);
        x = (x & 0xf) << 2;
        break;
      case BPF_LD | BPF_IMM: a = k; break;
      case BPF_LDX | BPF_IMM: x = k; break;
      case BPF_LD | BPF_W | BPF_LEN: a = originalLength; break;
      case BPF_LDX | BPF_W | BPF_LEN: x = originalLength; break;
      case BPF_LD | BPF_MEM: a = memory[k]; break;
      case BPF_LDX | BPF_MEM: x = memory[k]; break;
      case BPF_ST: memory[k] = a; break;
      case BPF_STX: memory[k] = x; break;

      case BPF_JMP | BPF_JA: pc += k; break;
      case BPF_JMP | BPF_JEQ | BPF_K: pc += a == k ? pc->jt : pc->jf; break;
      case BPF_JMP | BPF_JEQ | BPF_X: pc += a == x ? pc->jt : pc->jf; break;
      case BPF_JMP | BPF_JGT | BPF_K: pc += a > k ? pc->jt : pc->jf; break;
      case BPF_JMP | BPF_JGT | BPF_X: pc += a > x ? pc->jt : pc->jf; break;
      case BPF_JMP | BPF_JGE | BPF_K: pc += a >= k ? pc->jt : pc->jf; break;
      case BPF_JMP | BPF_JGE | BPF_X: pc += a >= x ? pc->jt : pc->jf; break;
      case BPF_JMP | BPF_JSET | BPF_K: pc += (a & k) != 0 ? pc->jt : pc->jf; break;
      case BPF_JMP | BPF_JSET | BPF_X: pc += (a & x) != 0 ? pc->jt : pc->jf; break;

      case BPF_ALU | BPF_ADD | BPF_K: a += k; break;
      case BPF_ALU | BPF_ADD | BPF_X: a += x; break;
      case BPF_ALU | BPF_SUB | BPF_K: a -= k; break;
      case BPF_ALU | BPF_SUB | BPF_X: a -= x; break;
      case BPF_ALU | BPF_MUL | BPF_K: a *= k; break;
      case BPF_ALU | BPF_MUL | BPF_X: a *= x; break;
      case BPF_ALU | BPF_AND | BPF_K: a &= k; break;
      case BPF_ALU | BPF_AND | BPF_X: a &= x; break;
      case BPF_ALU | BPF_OR | BPF_K: a |= k; break;
      case BPF_ALU | BPF_OR | BPF_X: a |= x; break;
      case BPF_ALU | BPF_XOR | BPF_K: a ^= k; break;
      case BPF_ALU | BPF_XOR | BPF_X: a ^= x; break;
      case BPF_ALU | BPF_LSH | BPF_K: a <<= k; break;
      case BPF_ALU | BPF_LSH | BPF_X: a <<= x & 31; break;  // eBPF's 32-bit shifts take the count modulo 32
      case BPF_ALU | BPF_RSH | BPF_K: a >>= k; break;
      case BPF_ALU | BPF_RSH | BPF_X: a >>= x & 31; break;
      case BPF_ALU | BPF_NEG: a = 0U - a; break;
      case BPF_ALU | BPF_DIV | BPF_K: a /= k; break;
      case BPF_ALU | BPF_MOD | BPF_K: a %= k; break;
      case BPF_ALU | BPF_DIV | BPF_X:
        if (x == 0) return 0;
        a /= x;
        break;
      case BPF_ALU | BPF_MOD | BPF_X:
        if (x == 0) return 0;
        a %= x;
        break;

      case BPF_MISC | BPF_TAX: x = a; break;
      case BPF_MISC | BPF_TXA: a = x; break;
      case BPF_RET | BPF_K: return k;
      case BPF_RET | BPF_A: return a;
      default: return 0;
    }
  }
}

}  // namespace ringtap
