// Injects numbered frames with the kernel's XDP test run for live frames (bpf(2) BPF_PROG_TEST_RUN, Linux 5.18). The
// interface *receives* the frames, several times faster than any socket could send them to it. net/bpf/test_run.c
// recycles a few pages, a small program numbers the frame in each page, and XDP_PASS passes them to the network stack
// in batches.
//
// Requires CAP_BPF and CAP_NET_ADMIN in the initial user namespace.
#pragma once

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "tools/frame.h"

namespace inject {

// The frame must fit into a page beside the kernel's headroom and metadata.
inline constexpr std::uint32_t maximumSize = 3300;

class Injector {
 public:
  // Frame numbers begin with `start`. Afterwards failure() returns 0 if run() may be called.
  Injector(unsigned interfaceIndex, const frames::Shape& shape, std::uint64_t start, std::uint16_t label)
      : interfaceIndex_(interfaceIndex), shape_(shape), template_(shape.size), state_(rampAt + 256 + shape.size) {
    frames::prepare(template_.data(), shape);
    frames::number(template_.data(), shape, start, label);
    for (std::size_t i = rampAt; i < state_.size(); i++) state_[i] = static_cast<std::uint8_t>(i - rampAt);
    std::memcpy(state_.data(), &start, sizeof start);
    next_ = start;

    bpf_attr create{};
    create.map_type = BPF_MAP_TYPE_ARRAY;
    create.key_size = sizeof(std::uint32_t);
    create.value_size = static_cast<std::uint32_t>(state_.size());
    create.max_entries = 1;
    map_ = call(BPF_MAP_CREATE, create);
    if (map_ < 0) return;
    bpf_attr update = element();
    if (call(BPF_MAP_UPDATE_ELEM, update) < 0) return;

    assemble();
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_XDP;
    load.insns = address(program_.data());
    load.insn_cnt = static_cast<std::uint32_t>(program_.size());
    load.license = address("GPL");
    code_ = call(BPF_PROG_LOAD, load);
  }

  // Makes short runs cheap, for an even rate. A run first registers its program in the kernel's table of XDP programs
  // (bpf_prog_change_xdp) and removes it afterwards, which takes about 50 ms unless the program is attached somewhere.
  // This attaches it to loopback, where it passes every packet, until this object is destroyed. Without it, the rate is
  // uneven.
  void hold() {
    if (interfaceIndex_ == loopbackIndex || code_ < 0) return;
    bpf_attr attach{};
    attach.link_create.prog_fd = static_cast<std::uint32_t>(code_);
    attach.link_create.target_ifindex = loopbackIndex;
    attach.link_create.attach_type = BPF_XDP;
    attach.link_create.flags = XDP_FLAGS_SKB_MODE;
    link_ = call(BPF_LINK_CREATE, attach);
    failure_ = 0;
  }

  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;
  ~Injector() {
    for (const int descriptor : {link_, code_, map_}) {
      if (descriptor >= 0) close(descriptor);
    }
  }

  // errno of the last step that failed; 0 if none did.
  int failure() const { return failure_; }

  // Makes the interface receive up to `count` further frames and returns how many it received. Fewer only after a
  // failure or a signal.
  std::uint64_t run(std::uint64_t count) {
    xdp_md context{};
    context.data_end = shape_.size;
    context.ingress_ifindex = interfaceIndex_;
    bpf_attr run{};
    run.test.prog_fd = static_cast<std::uint32_t>(code_);
    run.test.data_in = address(template_.data());
    run.test.data_size_in = shape_.size;
    run.test.repeat = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, 1'000'000));
    run.test.ctx_in = address(&context);
    run.test.ctx_size_in = sizeof context;
    run.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    run.test.batch_size = static_cast<std::uint32_t>(std::min<std::uint64_t>(run.test.repeat, 64));
    if (call(BPF_PROG_TEST_RUN, run) < 0 && (failure_ == EINTR || failure_ == EAGAIN)) failure_ = 0;
    // The program's counter is authoritative, whatever the call returned.
    bpf_attr lookup = element();
    std::uint64_t reached = next_;
    if (call(BPF_MAP_LOOKUP_ELEM, lookup) == 0) std::memcpy(&reached, state_.data(), sizeof reached);
    const std::uint64_t done = reached - next_;
    next_ = reached;
    return done;
  }

 private:
  // The map's single value: the next number, then the bytes 0…255 repeated, the source of the frames' pattern.
  static constexpr std::uint32_t rampAt = 8;
  static constexpr std::uint32_t loopbackIndex = 1;  // in every network namespace

  template <typename T>
  static std::uint64_t address(const T* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
  }

  int call(int command, bpf_attr& attributes) {
    const long result = syscall(SYS_bpf, command, &attributes, sizeof attributes);
    if (result < 0) failure_ = errno;
    return static_cast<int>(result);
  }

  bpf_attr element() {
    bpf_attr attributes{};
    attributes.map_fd = static_cast<std::uint32_t>(map_);
    attributes.key = address(&zero_);
    attributes.value = address(state_.data());
    return attributes;
  }

  void add(unsigned code, unsigned target, unsigned source, int offset, std::int32_t immediate) {
    bpf_insn instruction{};
    instruction.code = static_cast<std::uint8_t>(code);
    instruction.dst_reg = target & 15;
    instruction.src_reg = source & 15;
    instruction.off = static_cast<std::int16_t>(offset);
    instruction.imm = immediate;
    program_.push_back(instruction);
  }

  // Does to a template frame what frames::number does. r2: the frame, r1: the state, r5: the number.
  void assemble() {
    const int ip = static_cast<int>(frames::linkHeader(shape_));
    const int payload = ip + 28;
    if (interfaceIndex_ != loopbackIndex) {
      add(BPF_LDX | BPF_MEM | BPF_W, 0, 1, offsetof(xdp_md, ingress_ifindex), 0);
      add(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 2, loopbackIndex);
      add(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS);
      add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }
    add(BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(xdp_md, data), 0);
    add(BPF_LDX | BPF_MEM | BPF_W, 3, 1, offsetof(xdp_md, data_end), 0);
    add(BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0);
    add(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, static_cast<std::int32_t>(shape_.size));
    add(BPF_JMP | BPF_JLE | BPF_X, 4, 3, 2, 0);  // always taken; the verifier requires the bounds check
    add(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_DROP);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    add(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_VALUE, 0, map_);
    add(0, 0, 0, 0, 0);
    // Also writes the bytes that all frames share: a page is recycled as the network stack left it (with a VLAN tag
    // removed).
    const int from = payload + static_cast<int>(frames::payloadFixed);
    for (int at = 0; at < from; at += 2) {
      std::uint16_t bytes;
      std::memcpy(&bytes, &template_[static_cast<std::size_t>(at)], sizeof bytes);
      add(BPF_ST | BPF_MEM | BPF_H, 2, 0, at, bytes);
    }
    add(BPF_LDX | BPF_MEM | BPF_DW, 5, 1, 0, 0);
    add(BPF_ALU64 | BPF_MOV | BPF_X, 0, 5, 0, 0);
    add(BPF_ALU64 | BPF_ADD | BPF_K, 0, 0, 0, 1);
    add(BPF_STX | BPF_MEM | BPF_DW, 1, 0, 0, 0);
    add(BPF_ALU64 | BPF_MOV | BPF_X, 0, 5, 0, 0);
    add(BPF_ALU | BPF_END | BPF_TO_BE, 0, 0, 0, 64);
    add(BPF_STX | BPF_MEM | BPF_DW, 2, 0, payload + 8, 0);
    if (shape_.flows > 1) {
      add(BPF_ALU64 | BPF_MOV | BPF_X, 0, 5, 0, 0);
      add(BPF_ALU64 | BPF_MOD | BPF_K, 0, 0, 0, static_cast<std::int32_t>(shape_.flows));
      add(BPF_ALU64 | BPF_ADD | BPF_K, 0, 0, 0, shape_.port);
      add(BPF_ALU | BPF_END | BPF_TO_BE, 0, 0, 0, 16);
      add(BPF_STX | BPF_MEM | BPF_H, 2, 0, ip + 20, 0);
    }
    add(BPF_ALU64 | BPF_MOV | BPF_X, 7, 5, 0, 0);
    for (int i = 0; i < 2; i++) {
      add(BPF_ALU64 | BPF_RSH | BPF_K, 5, 0, 0, 8);
      add(BPF_ALU64 | BPF_XOR | BPF_X, 7, 5, 0, 0);
    }
    add(BPF_ALU64 | BPF_AND | BPF_K, 7, 0, 0, 0xff);
    add(BPF_ALU64 | BPF_ADD | BPF_X, 1, 7, 0, 0);
    for (int at = from, left = static_cast<int>(shape_.size) - from; left > 0;) {
      const auto [width, bytes] = left >= 8   ? std::pair{BPF_DW, 8}
                                  : left >= 4 ? std::pair{BPF_W, 4}
                                  : left >= 2 ? std::pair{BPF_H, 2}
                                              : std::pair{BPF_B, 1};
      add(static_cast<unsigned>(BPF_LDX | BPF_MEM | width), 0, 1, static_cast<int>(rampAt) + at - from, 0);
      add(static_cast<unsigned>(BPF_STX | BPF_MEM | width), 2, 0, at, 0);
      at += bytes;
      left -= bytes;
    }
    add(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }

  unsigned interfaceIndex_;
  frames::Shape shape_;
  std::vector<std::uint8_t> template_;
  std::vector<std::uint8_t> state_;
  std::vector<bpf_insn> program_;
  std::uint64_t next_ = 0;
  std::uint32_t zero_ = 0;
  int map_ = -1;
  int code_ = -1;
  int link_ = -1;
  int failure_ = 0;
};

}  // namespace inject
