// Emits eBPF instructions and forward jumps.
#pragma once

#include <linux/bpf.h>
#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/util/result.h"

namespace ringtap::ebpf {

inline constexpr std::uint8_t R0 = 0, R1 = 1, R2 = 2, R3 = 3, R4 = 4, R5 = 5, R6 = 6, R7 = 7, R8 = 8, R9 = 9, R10 = 10;

// Offsets on the stack, from the top: M[0] to M[15] of the classic machine, then the words of the interface table, of
// duplicate detection, of the address sets, of the connections, of the flow cut-off, and of the sampling.
inline constexpr std::int16_t kMemory = -64;
inline constexpr std::int16_t kKey = -72;
inline constexpr std::int16_t kCount = -80;
inline constexpr std::int16_t kDuplicates = -112;  // up to kCount
inline constexpr std::int16_t kAddresses = -144;   // 32 bytes
inline constexpr std::int16_t kConnections = -152;
inline constexpr std::int16_t kCutoff = -232;  // 80 bytes
inline constexpr std::int16_t kSample = -240;

class Assembler {
 public:
  explicit Assembler(std::vector<bpf_insn>& out) : out_(out) {}

  void emit(std::uint8_t code, std::uint8_t dst, std::uint8_t src, std::int16_t off, std::int32_t imm) {
    bpf_insn instruction{};
    instruction.code = code;
    instruction.dst_reg = dst & 0xf;
    instruction.src_reg = src & 0xf;
    instruction.off = off;
    instruction.imm = imm;
    out_.push_back(instruction);
  }
  void set(std::uint8_t reg, std::uint32_t value) {
    emit(BPF_ALU | BPF_MOV | BPF_K, reg, 0, 0, static_cast<std::int32_t>(value));
  }
  void set64(std::uint8_t reg, std::uint64_t value) {
    emit(BPF_LD | BPF_DW | BPF_IMM, reg, 0, 0, static_cast<std::int32_t>(value & 0xffffffff));
    emit(0, 0, 0, 0, static_cast<std::int32_t>(value >> 32));
  }
  void copy32(std::uint8_t to, std::uint8_t from) { emit(BPF_ALU | BPF_MOV | BPF_X, to, from, 0, 0); }
  void copy64(std::uint8_t to, std::uint8_t from) { emit(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void load32(std::uint8_t to, std::uint8_t from, std::int16_t off) {
    emit(BPF_LDX | BPF_MEM | BPF_W, to, from, off, 0);
  }
  void store32(std::int16_t off, std::uint8_t from) { emit(BPF_STX | BPF_MEM | BPF_W, R10, from, off, 0); }
  void context(std::uint8_t to, std::size_t field) { load32(to, R6, static_cast<std::int16_t>(field)); }
  // Overwrites R1.
  void increment(std::uint8_t base, std::int16_t off) {
    set(R1, 1);
    emit(BPF_STX | BPF_XADD | BPF_DW, base, R1, off, 0);
  }
  void call(std::int32_t helper) { emit(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
  void exit() { emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }
  // Looks up the key at stack offset `key` (R1 = the map, R2 = the key's address); then R0 = the value's address or
  // null.
  void lookup(int map, std::int16_t key) {
    mapAndKey(map, key);
    call(BPF_FUNC_map_lookup_elem);
  }
  void map(std::uint8_t to, int map) {
    emit(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, map);
    emit(0, 0, 0, 0, 0);
  }
  void mapAndKey(int map, std::int16_t key) {
    this->map(R1, map);
    copy64(R2, R10);
    emit(BPF_ALU64 | BPF_ADD | BPF_K, R2, 0, 0, key);
  }

  // Emits a forward jump; land() sets its target to the next instruction.
  [[nodiscard]] std::size_t jump(std::uint8_t op, std::uint8_t reg, std::int32_t value) {
    emit(BPF_JMP | op, reg, 0, 0, value);
    return out_.size() - 1;
  }
  [[nodiscard]] std::size_t jump32(std::uint8_t op, std::uint8_t reg, std::int32_t value) {
    emit(BPF_JMP32 | op, reg, 0, 0, value);
    return out_.size() - 1;
  }
  // Jumps if none of these bits is set.
  [[nodiscard]] std::size_t jumpUnless(std::uint8_t reg, std::uint32_t bits) {
    emit(BPF_JMP32 | BPF_JSET | BPF_K, reg, 0, 1, static_cast<std::int32_t>(bits));
    return jumpAlways();
  }
  // The index of the instruction just emitted.
  [[nodiscard]] std::size_t last() const { return out_.size() - 1; }
  [[nodiscard]] std::size_t jumpAlways() { return jump(BPF_JA, 0, 0); }
  // False if the distance does not fit into the instruction.
  [[nodiscard]] bool land(std::size_t from) { return land(from, out_.size()); }
  [[nodiscard]] bool land(std::size_t from, std::size_t to) {
    const std::size_t distance = to - from - 1;
    if (distance > static_cast<std::size_t>(std::numeric_limits<std::int16_t>::max())) return false;
    out_[from].off = static_cast<std::int16_t>(distance);
    return true;
  }

 private:
  std::vector<bpf_insn>& out_;
};

// The error to return if land() returns false.
inline Error tooFar() { return Error{Code::FilterTooLarge, "the filter is too long for the jumps of its eBPF form"}; }

}  // namespace ringtap::ebpf
