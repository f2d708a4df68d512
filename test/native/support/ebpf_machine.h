// Runs eBPF socket filters in this process. Implements the part of the instruction set that ringtap's assembler uses,
// and checks at run time the kernel's rules that can be checked there: every access must lie in the stack, the context
// or a map value; a register or stack byte must be written before it is read; R1 to R5 are undefined after a call or a
// packet load. A program that runs here therefore gives the verifier no reason to refuse the paths taken.
#pragma once

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/filter.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "core/filter/filter_interpreter.h"

namespace support {

struct EbpfMap {
  bool array = false;  // all keys below `entries` exist
  std::uint32_t valueSize = 0;
  std::uint32_t entries = 0;
  std::map<std::uint32_t, std::vector<std::uint8_t>> values{};
  // If not 0, the map has keys of this many bytes. With `trie`, a key begins with its prefix length in bits.
  std::uint32_t keySize = 0;
  bool trie = false;
  std::map<std::vector<std::uint8_t>, std::vector<std::uint8_t>> byBytes{};

  std::uint8_t* find(std::span<const std::uint8_t> key) {
    std::uint8_t* best = nullptr;
    std::uint32_t longest = 0;
    for (auto& [candidate, value] : byBytes) {
      if (!trie) {
        if (std::equal(key.begin(), key.end(), candidate.begin())) return value.data();
        continue;
      }
      std::uint32_t bits;
      std::memcpy(&bits, candidate.data(), sizeof bits);
      if (best != nullptr && bits < longest) continue;
      bool fits = true;
      for (std::uint32_t i = 0; i < bits; ++i) {
        fits = fits && ((key[4 + i / 8] ^ candidate[4 + i / 8]) >> (7 - i % 8) & 1) == 0;
      }
      if (!fits) continue;
      best = value.data();
      longest = bits;
    }
    return best;
  }
  std::uint8_t* find(std::uint32_t key) {
    if (array && key < entries) values.try_emplace(key, valueSize);
    const auto at = values.find(key);
    return at == values.end() ? nullptr : at->second.data();
  }
};

class EbpfMachine {
 public:
  std::map<int, EbpfMap> maps;  // by descriptor
  std::uint32_t ingress = 0;    // __sk_buff.ingress_ifindex of the next packet

  // Returns the program's return value, or nothing if it violated a rule: fault() then describes the violation.
  std::optional<std::uint32_t> run(std::span<const bpf_insn> program, std::span<const std::uint8_t> packet,
                                   std::uint32_t length, const ringtap::PacketMetadata& metadata) {
    start(packet, length, metadata);
    for (at_ = 0; fault_ == nullptr;) {
      if (at_ >= program.size()) return failed("left the program");
      if (++steps_ > 100'000) return failed("does not end");
      const bpf_insn& in = program[at_++];
      switch (BPF_CLASS(in.code)) {
        case BPF_ALU: alu(in, false); break;
        case BPF_ALU64: alu(in, true); break;
        case BPF_JMP:
          if (BPF_OP(in.code) == BPF_EXIT) return exit(static_cast<std::uint32_t>(get(0)));
          if (BPF_OP(in.code) == BPF_CALL) call(in.imm);
          else branch(in, false);
          break;
        case BPF_JMP32: branch(in, true); break;
        case BPF_LDX: loadMemory(in); break;
        case BPF_ST:
        case BPF_STX: storeMemory(in); break;
        case BPF_LD:
          if (in.code == (BPF_LD | BPF_DW | BPF_IMM)) {
            if (at_ >= program.size() || in.src_reg != BPF_PSEUDO_MAP_FD) return failed("a wide load of no map");
            ++at_;
            set(in.dst_reg, kMapHandle + static_cast<std::uint32_t>(in.imm));
          } else if (!loadPacket(in)) {
            return exit(0);  // load beyond the packet: ends the whole program
          }
          break;
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] const char* fault() const { return fault_; }
  [[nodiscard]] std::size_t faultAt() const { return at_ - 1; }

 private:
  static constexpr std::size_t kStack = 512;
  static constexpr std::uint64_t kMapHandle = std::uint64_t{0xfeed} << 32;

  void start(std::span<const std::uint8_t> packet, std::uint32_t length, const ringtap::PacketMetadata& metadata) {
    packet_ = packet;
    metadata_ = metadata;
    context_ = {};
    context_.len = length;
    context_.pkt_type = metadata.packetType;
    context_.ifindex = metadata.interfaceIndex;
    context_.protocol = htons(metadata.protocol);
    context_.vlan_present = metadata.vlanPresent ? 1 : 0;
    context_.vlan_tci = metadata.vlanTci;
    context_.vlan_proto = htons(metadata.vlanTpid);
    context_.hash = metadata.rxHash;
    context_.ingress_ifindex = ingress;
    written_ = {};
    known_ = {};
    fault_ = nullptr;
    steps_ = 0;
    set(1, reinterpret_cast<std::uintptr_t>(&context_));
    set(10, reinterpret_cast<std::uintptr_t>(stack_.data() + kStack));
  }

  std::nullopt_t failed(const char* reason) {
    if (fault_ == nullptr) fault_ = reason;
    return std::nullopt;
  }
  std::optional<std::uint32_t> exit(std::uint32_t value) {
    if (fault_ != nullptr) return std::nullopt;
    return value;
  }

  std::uint64_t get(unsigned reg) {
    if (reg > 10 || !known_[reg]) failed("reads a register that was never set");
    return reg > 10 ? 0 : registers_[reg];
  }
  void set(unsigned reg, std::uint64_t value) {
    if (reg > 10) return;
    registers_[reg] = value;
    known_[reg] = true;
  }
  void forgetScratch() {
    for (unsigned reg = 1; reg <= 5; ++reg) known_[reg] = false;
  }

  void alu(const bpf_insn& in, bool wide) {
    const auto operation = BPF_OP(in.code);
    std::uint64_t b = BPF_SRC(in.code) == BPF_X && operation != BPF_END
                          ? get(in.src_reg)
                          : static_cast<std::uint64_t>(static_cast<std::int64_t>(in.imm));
    std::uint64_t a = operation == BPF_MOV ? 0 : get(in.dst_reg);
    if (!wide) {
      a = static_cast<std::uint32_t>(a);
      b = static_cast<std::uint32_t>(b);
    }
    const std::uint64_t mask = wide ? 63 : 31;
    if (BPF_SRC(in.code) == BPF_K && ((operation == BPF_DIV || operation == BPF_MOD) ? b == 0 : false)) {
      failed("divides by the constant 0");
      return;
    }
    if (BPF_SRC(in.code) == BPF_K && (operation == BPF_LSH || operation == BPF_RSH) && b > mask) {
      failed("shifts too far");
      return;
    }
    std::uint64_t value = 0;
    switch (operation) {
      case BPF_ADD: value = a + b; break;
      case BPF_SUB: value = a - b; break;
      case BPF_MUL: value = a * b; break;
      case BPF_DIV: value = b == 0 ? 0 : a / b; break;
      case BPF_MOD: value = b == 0 ? a : a % b; break;
      case BPF_AND: value = a & b; break;
      case BPF_OR: value = a | b; break;
      case BPF_XOR: value = a ^ b; break;
      case BPF_LSH: value = a << (b & mask); break;
      case BPF_RSH: value = a >> (b & mask); break;
      case BPF_NEG: value = 0 - a; break;
      case BPF_MOV: value = b; break;
      case BPF_END:
        if (in.code != (BPF_ALU | BPF_END | BPF_TO_BE) || (in.imm != 16 && in.imm != 32))
          failed("an unknown byte swap");
        value = in.imm == 16 ? htons(static_cast<std::uint16_t>(a)) : htonl(static_cast<std::uint32_t>(a));
        break;
      default: failed("an unknown operation"); return;
    }
    if (in.dst_reg == 10) failed("writes to R10");
    set(in.dst_reg, wide ? value : static_cast<std::uint32_t>(value));
  }

  void branch(const bpf_insn& in, bool narrow) {
    if (in.off < 0) {
      failed("jumps backwards");
      return;
    }
    const auto far = static_cast<std::size_t>(in.off);
    if (BPF_OP(in.code) == BPF_JA) {
      if (narrow) failed("an unknown jump");
      at_ += far;
      return;
    }
    std::uint64_t a = get(in.dst_reg);
    std::uint64_t b =
        BPF_SRC(in.code) == BPF_X ? get(in.src_reg) : static_cast<std::uint64_t>(static_cast<std::int64_t>(in.imm));
    if (narrow) {
      a = static_cast<std::uint32_t>(a);
      b = static_cast<std::uint32_t>(b);
    }
    bool taken = false;
    switch (BPF_OP(in.code)) {
      case BPF_JEQ: taken = a == b; break;
      case BPF_JNE: taken = a != b; break;
      case BPF_JGT: taken = a > b; break;
      case BPF_JGE: taken = a >= b; break;
      case BPF_JSET: taken = (a & b) != 0; break;
      default: failed("an unknown jump"); return;
    }
    if (taken) at_ += far;
  }

  static std::size_t width(std::uint8_t code) {
    switch (BPF_SIZE(code)) {
      case BPF_B: return 1;
      case BPF_H: return 2;
      case BPF_W: return 4;
      default: return 8;
    }
  }

  static bool within(std::uint64_t address, std::size_t size, const void* start, std::size_t length) {
    const auto from = reinterpret_cast<std::uintptr_t>(start);
    return address >= from && address - from <= length && length - (address - from) >= size;
  }
  // Returns the memory at an address computed by the program; on an invalid access, records a fault and returns null.
  std::uint8_t* memory(std::uint64_t address, std::size_t size, bool write) {
    if (within(address, size, stack_.data(), kStack)) {
      const std::size_t from = address - reinterpret_cast<std::uintptr_t>(stack_.data());
      for (std::size_t i = from; i < from + size; ++i) {
        if (write) written_[i] = true;
        else if (!written_[i]) failed("reads a part of the stack that was never written");
      }
      return stack_.data() + from;
    }
    if (!write && within(address, size, &context_, sizeof context_)) {
      return reinterpret_cast<std::uint8_t*>(&context_) + (address - reinterpret_cast<std::uintptr_t>(&context_));
    }
    for (auto& [descriptor, map] : maps) {
      for (auto& [key, value] : map.values) {
        if (within(address, size, value.data(), value.size())) {
          return value.data() + (address - reinterpret_cast<std::uintptr_t>(value.data()));
        }
      }
      for (auto& [key, value] : map.byBytes) {
        if (!write && within(address, size, value.data(), value.size())) {
          return value.data() + (address - reinterpret_cast<std::uintptr_t>(value.data()));
        }
      }
    }
    failed("an access to memory that is not its own");
    return nullptr;
  }

  void loadMemory(const bpf_insn& in) {
    std::uint64_t value = 0;
    const std::size_t size = width(in.code);
    const auto* from = memory(get(in.src_reg) + static_cast<std::uint64_t>(std::int64_t{in.off}), size, false);
    if (from != nullptr) std::memcpy(&value, from, size);  // little endian, as bpf_insn's bit fields are here
    if (BPF_MODE(in.code) != BPF_MEM) failed("an unknown load");
    set(in.dst_reg, value);
  }

  void storeMemory(const bpf_insn& in) {
    const std::size_t size = width(in.code);
    const bool immediate = BPF_CLASS(in.code) == BPF_ST;
    std::uint64_t value = immediate ? static_cast<std::uint64_t>(std::int64_t{in.imm}) : get(in.src_reg);
    const std::uint64_t address = get(in.dst_reg) + static_cast<std::uint64_t>(std::int64_t{in.off});
    auto* to = memory(address, size, true);
    if (to == nullptr) return;
    if (BPF_MODE(in.code) == BPF_XADD && !immediate) {
      std::uint64_t before = 0;
      std::memcpy(&before, to, size);
      value += before;
    } else if (BPF_MODE(in.code) != BPF_MEM) {
      failed("an unknown store");
    }
    std::memcpy(to, &value, size);
  }

  // Returns false if the load lies beyond the packet.
  bool loadPacket(const bpf_insn& in) {
    if (get(6) != reinterpret_cast<std::uintptr_t>(&context_)) failed("a packet load without the context in R6");
    std::uint32_t offset = static_cast<std::uint32_t>(in.imm);
    if (BPF_MODE(in.code) == BPF_IND) offset += static_cast<std::uint32_t>(get(in.src_reg));
    else if (BPF_MODE(in.code) != BPF_ABS) failed("an unknown load");
    forgetScratch();
    std::uint64_t at = offset;
    if (offset >= static_cast<std::uint32_t>(SKF_NET_OFF)) {
      at = std::uint64_t{offset - static_cast<std::uint32_t>(SKF_NET_OFF)} + metadata_.networkOffset;
    } else if (offset >= static_cast<std::uint32_t>(SKF_LL_OFF)) {
      at = offset - static_cast<std::uint32_t>(SKF_LL_OFF);
    }
    const std::size_t size = width(in.code);
    if (size == 8) failed("an unknown load");
    if (at + size > packet_.size()) return false;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | packet_[at + i];
    set(0, value);
    return true;
  }

  void loadBytes() {
    const auto from = static_cast<std::uint32_t>(get(2));
    const auto size = static_cast<std::uint32_t>(get(4));
    if (get(1) != reinterpret_cast<std::uintptr_t>(&context_)) failed("bytes of something else than the packet");
    std::uint8_t* to = memory(get(3), size, true);
    if (fault_ != nullptr) return;
    const bool inside = from <= packet_.size() && size <= packet_.size() - from;
    if (inside) std::memcpy(to, packet_.data() + from, size);
    else std::memset(to, 0, size);
    set(0, inside ? 0 : static_cast<std::uint64_t>(-14));
    forgetScratch();
  }

  void call(std::int32_t helper) {
    if (helper == BPF_FUNC_skb_load_bytes) {
      loadBytes();
      return;
    }
    const auto descriptor = static_cast<std::uint32_t>(get(1));
    const auto found = maps.find(static_cast<int>(descriptor));
    if (get(1) >> 32 != kMapHandle >> 32 || found == maps.end()) failed("a call without a map");
    if (fault_ != nullptr) return;
    EbpfMap& map = found->second;
    const std::uint32_t keySize = map.keySize != 0 ? map.keySize : 4;
    const std::uint8_t* keyBytes = memory(get(2), keySize, false);
    if (fault_ != nullptr) return;
    if (map.keySize != 0) {
      if (helper != BPF_FUNC_map_lookup_elem) failed("an unknown call");
      set(0, reinterpret_cast<std::uintptr_t>(map.find(std::span(keyBytes, keySize))));
      forgetScratch();
      return;
    }
    std::uint32_t key;
    std::memcpy(&key, keyBytes, sizeof key);
    if (helper == BPF_FUNC_map_lookup_elem) {
      set(0, reinterpret_cast<std::uintptr_t>(map.find(key)));
    } else if (helper == BPF_FUNC_map_update_elem) {
      const std::uint8_t* value = memory(get(3), map.valueSize, false);
      if (value == nullptr) return;
      const bool exists = map.find(key) != nullptr;
      if (get(4) == BPF_NOEXIST && exists) set(0, static_cast<std::uint64_t>(-17));
      else if (!exists && map.values.size() >= map.entries) set(0, static_cast<std::uint64_t>(-7));
      else {
        map.values[key].assign(value, value + map.valueSize);
        set(0, 0);
      }
    } else {
      failed("an unknown call");
    }
    forgetScratch();
  }

  alignas(8) std::array<std::uint8_t, kStack> stack_{};
  std::array<bool, kStack> written_{};
  std::array<std::uint64_t, 11> registers_{};
  std::array<bool, 11> known_{};
  __sk_buff context_{};
  std::span<const std::uint8_t> packet_;
  ringtap::PacketMetadata metadata_;
  std::size_t at_ = 0;
  std::size_t steps_ = 0;
  const char* fault_ = nullptr;
};

}  // namespace support
