// The interpreter, compared with the semantics of net/core/filter.c and with the kernel itself: the same random
// programs on the same packets, attached to a socket.
#include "core/filter/filter_interpreter.h"

#include <linux/filter.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "support/check.h"
#include "support/random_filter.h"

using namespace ringtap;

namespace {

using support::jump;
using support::kAncillary;
using support::op;
using Program = std::vector<FilterInstruction>;
using Bytes = std::vector<std::uint8_t>;

const FilterInstruction kReturnA = op(BPF_RET | BPF_A);

bool valid(const Program& program) { return validateFilter(program).ok(); }

// The value of A after `program`.
std::uint32_t result(Program program, const Bytes& bytes = {}, const PacketMetadata& metadata = {},
                     std::uint32_t originalLength = 0) {
  program.push_back(kReturnA);
  CHECK(valid(program));
  return runFilter(program, bytes, originalLength, metadata);
}

std::uint32_t alu(int operation, std::uint32_t a, std::uint32_t b) {
  const std::uint32_t byX = result(
      {op(BPF_LD | BPF_IMM, b), op(BPF_MISC | BPF_TAX), op(BPF_LD | BPF_IMM, a), op(BPF_ALU | operation | BPF_X)});
  const Program byK{op(BPF_LD | BPF_IMM, a), op(BPF_ALU | operation | BPF_K, b), kReturnA};
  if (valid(byK)) CHECK(runFilter(byK, {}, 0) == byX);
  return byX;
}

bool taken(int condition, std::uint32_t a, std::uint32_t b) {
  const Program byK{op(BPF_LD | BPF_IMM, a), jump(condition | BPF_K, b, 1, 0), op(BPF_RET, 0), op(BPF_RET, 1)};
  const Program byX{op(BPF_LDX | BPF_IMM, b), op(BPF_LD | BPF_IMM, a), jump(condition | BPF_X, 0, 1, 0), op(BPF_RET, 0),
                    op(BPF_RET, 1)};
  CHECK(valid(byK) && valid(byX));
  CHECK(runFilter(byK, {}, 0) == runFilter(byX, {}, 0));
  return runFilter(byK, {}, 0) == 1;
}

const Bytes kBytes{0x45, 0x01, 0x82, 0x03, 0xfe, 0xdc, 0xba, 0x98};

}  // namespace

TEST(loadsAreBigEndianAndUnsigned) {
  CHECK(result({op(BPF_LD | BPF_W | BPF_ABS, 4)}, kBytes) == 0xfedcba98);
  CHECK(result({op(BPF_LD | BPF_H | BPF_ABS, 2)}, kBytes) == 0x8203);
  CHECK(result({op(BPF_LD | BPF_B | BPF_ABS, 7)}, kBytes) == 0x98);
  CHECK(result({op(BPF_LDX | BPF_IMM, 1), op(BPF_LD | BPF_H | BPF_IND, 1)}, kBytes) == 0x8203);
  CHECK(result({op(BPF_LDX | BPF_B | BPF_MSH, 0), op(BPF_MISC | BPF_TXA)}, kBytes) == 20);
}

TEST(aLoadBeyondTheEndMatchesNothing) {
  for (const auto& [code, last] : {std::pair{BPF_LD | BPF_W | BPF_ABS, 4U}, std::pair{BPF_LD | BPF_H | BPF_ABS, 6U},
                                   std::pair{BPF_LD | BPF_B | BPF_ABS, 7U}, std::pair{BPF_LDX | BPF_B | BPF_MSH, 7U}}) {
    for (const std::uint32_t k : {last + 1, 0x7fffffffU, 0x80000000U, 0xffe00000U + 8, 0xfff00000U, 0xffffefffU}) {
      const Program program{op(code, k), op(BPF_RET, 7)};
      CHECK(valid(program));
      CHECK(runFilter(program, kBytes, 8) == 0);
    }
    const Program inside{op(code, last), op(BPF_RET, 7)};
    CHECK(runFilter(inside, kBytes, 8) == 7);
    CHECK(runFilter(inside, {}, 8) == 0);
  }
}

TEST(indirectOffsetsWrapAndReachNoAncillaryData) {
  const auto at = [](std::uint32_t x, std::uint32_t k) {
    return result({op(BPF_LDX | BPF_IMM, x), op(BPF_LD | BPF_B | BPF_IND, k)}, kBytes);
  };
  CHECK(at(0xffffffff, 3) == 0x82);
  CHECK(at(6, 0xffffffff) == 0xdc);
  CHECK(at(0, 0xffffffff) == 0);
  CHECK(at(kAncillary, SKF_AD_HATYPE) == 0);
}

TEST(negativeOffsetsCountFromAHeader) {
  PacketMetadata metadata;
  metadata.networkOffset = 4;
  const auto net = static_cast<std::uint32_t>(SKF_NET_OFF);
  const auto link = static_cast<std::uint32_t>(SKF_LL_OFF);
  CHECK(result({op(BPF_LD | BPF_H | BPF_ABS, net)}, kBytes, metadata) == 0xfedc);
  CHECK(result({op(BPF_LD | BPF_H | BPF_ABS, net + 2)}, kBytes, metadata) == 0xba98);
  CHECK(result({op(BPF_LD | BPF_H | BPF_ABS, net + 3)}, kBytes, metadata) == 0);
  CHECK(result({op(BPF_LD | BPF_H | BPF_ABS, link + 2)}, kBytes, metadata) == 0x8203);
  CHECK(result({op(BPF_LD | BPF_H | BPF_ABS, link - 1)}, kBytes, metadata) == 0);
  metadata.networkOffset = 0xffffffff;
  CHECK(result({op(BPF_LD | BPF_B | BPF_ABS, net + 0xfefff)}, kBytes, metadata) == 0);
}

TEST(ancillaryLoadsHaveAnyWidth) {
  PacketMetadata metadata;
  metadata.packetType = 4;
  metadata.vlanPresent = true;
  metadata.vlanTci = 0xe005;
  metadata.vlanTpid = 0x8100;
  metadata.protocol = 0x86dd;
  metadata.hardwareType = 772;
  metadata.interfaceIndex = 70000;
  metadata.rxHash = 0xdeadbeef;
  const std::pair<int, std::uint32_t> expected[] = {
      {SKF_AD_PKTTYPE, 4},       {SKF_AD_VLAN_TAG_PRESENT, 1}, {SKF_AD_VLAN_TAG, 0xe005}, {SKF_AD_VLAN_TPID, 0x8100},
      {SKF_AD_PROTOCOL, 0x86dd}, {SKF_AD_HATYPE, 772},         {SKF_AD_IFINDEX, 70000},   {SKF_AD_RXHASH, 0xdeadbeef},
  };
  for (const auto& [which, value] : expected) {
    for (const int width : {BPF_W, BPF_H, BPF_B}) {
      const std::uint32_t k = kAncillary + static_cast<std::uint32_t>(which);
      CHECK(result({op(BPF_LD | width | BPF_ABS, k)}, {}, metadata) == value);
    }
  }
  CHECK(result({op(BPF_LDX | BPF_IMM, 0xff), op(BPF_LD | BPF_IMM, 0x0f0f),
                op(BPF_LD | BPF_W | BPF_ABS, kAncillary + SKF_AD_ALU_XOR_X)}) == 0x0ff0);
}

TEST(theLengthIsThatOnTheWire) {
  CHECK(result({op(BPF_LD | BPF_W | BPF_LEN)}, kBytes, {}, 1500) == 1500);
  CHECK(result({op(BPF_LDX | BPF_W | BPF_LEN), op(BPF_MISC | BPF_TXA)}, kBytes, {}, 1500) == 1500);
}

TEST(memoryAndRegistersStartAsZero) {
  for (std::uint32_t i = 0; i < BPF_MEMWORDS; ++i) {
    CHECK(result({op(BPF_LD | BPF_IMM, 5), op(BPF_LD | BPF_MEM, i)}) == 0);
  }
  CHECK(result({}) == 0);
  CHECK(result({op(BPF_LD | BPF_IMM, 9), op(BPF_MISC | BPF_TXA)}) == 0);
  CHECK(result({op(BPF_LD | BPF_IMM, 9), op(BPF_ST, 15), op(BPF_LD | BPF_IMM, 1), op(BPF_LD | BPF_MEM, 15)}) == 9);
  CHECK(result({op(BPF_LDX | BPF_IMM, 8), op(BPF_STX, 3), op(BPF_LDX | BPF_MEM, 3), op(BPF_MISC | BPF_TXA)}) == 8);
}

TEST(arithmeticIsUnsignedOn32Bits) {
  CHECK(alu(BPF_ADD, 0xffffffff, 2) == 1);
  CHECK(alu(BPF_SUB, 1, 2) == 0xffffffff);
  CHECK(alu(BPF_MUL, 0x10001, 0x10001) == 0x20001);
  CHECK(alu(BPF_DIV, 0xfffffffe, 2) == 0x7fffffff);
  CHECK(alu(BPF_MOD, 0xffffffff, 10) == 5);
  CHECK(alu(BPF_AND, 0xff00ff00, 0x0ff00ff0) == 0x0f000f00);
  CHECK(alu(BPF_OR, 0xff00ff00, 0x0ff00ff0) == 0xfff0fff0);
  CHECK(alu(BPF_XOR, 0xff00ff00, 0x0ff00ff0) == 0xf0f0f0f0);
  CHECK(alu(BPF_LSH, 3, 31) == 0x80000000);
  CHECK(alu(BPF_RSH, 0x80000000, 31) == 1);
  CHECK(alu(BPF_LSH, 3, 33) == 6);  // by X only; validateFilter refuses such a constant
  CHECK(alu(BPF_RSH, 6, 33) == 3);
  CHECK(result({op(BPF_LD | BPF_IMM, 1), op(BPF_ALU | BPF_NEG)}) == 0xffffffff);
}

TEST(divisionByZeroMatchesNothing) {
  for (const int operation : {BPF_DIV, BPF_MOD}) {
    const Program program{op(BPF_LD | BPF_IMM, 6), op(BPF_ALU | operation | BPF_X), op(BPF_RET, 1)};
    CHECK(valid(program));
    CHECK(runFilter(program, {}, 0) == 0);
  }
}

TEST(comparisonsAreUnsigned) {
  CHECK(taken(BPF_JGT, 0x80000000, 1) && !taken(BPF_JGT, 1, 1) && !taken(BPF_JGT, 1, 0xffffffff));
  CHECK(taken(BPF_JGE, 0x80000000, 1) && taken(BPF_JGE, 1, 1) && !taken(BPF_JGE, 1, 0xffffffff));
  CHECK(taken(BPF_JEQ, 0xffffffff, 0xffffffff) && !taken(BPF_JEQ, 0, 1));
  CHECK(taken(BPF_JSET, 6, 2) && !taken(BPF_JSET, 6, 9) && !taken(BPF_JSET, 0, 0));
  CHECK(result({op(BPF_JMP | BPF_JA, 1), op(BPF_RET, 3), op(BPF_LD | BPF_IMM, 4)}) == 4);
}

TEST(invalidProgramsAreRefused) {
  const FilterInstruction ret = op(BPF_RET, 1);
  CHECK(valid({ret}));
  CHECK(!valid({}));
  CHECK(valid(Program(kMaxFilterInstructions, ret)));
  CHECK(!valid(Program(kMaxFilterInstructions + 1, ret)));
  CHECK(!valid({op(BPF_LD | BPF_IMM, 1)}));
  CHECK(!valid({jump(BPF_JEQ, 0, 1, 0), ret}));
  CHECK(!valid({jump(BPF_JEQ, 0, 0, 1), ret}));
  CHECK(valid({jump(BPF_JEQ, 0, 0, 0), ret}));
  CHECK(!valid({jump(BPF_JEQ, 0, 0, 0)}));
  CHECK(valid({op(BPF_JMP | BPF_JA, 0), ret}));
  for (const std::uint32_t k : {1U, 0x7fffffffU, 0xffffffffU}) CHECK(!valid({op(BPF_JMP | BPF_JA, k), ret}));
  for (const int code : {BPF_LD | BPF_MEM, BPF_LDX | BPF_MEM, BPF_ST, BPF_STX}) {
    CHECK(valid({op(code, 15), ret}));
    CHECK(!valid({op(code, 16), ret}));
  }
  CHECK(!valid({op(BPF_ALU | BPF_DIV, 0), ret}));
  CHECK(!valid({op(BPF_ALU | BPF_MOD, 0), ret}));
  CHECK(!valid({op(BPF_ALU | BPF_LSH, 32), ret}));
  CHECK(!valid({op(BPF_ALU | BPF_RSH, 32), ret}));
  CHECK(!valid({op(BPF_RET | BPF_X), ret}));
  for (const int which : {SKF_AD_NLATTR, SKF_AD_NLATTR_NEST, SKF_AD_MARK, SKF_AD_QUEUE, SKF_AD_CPU, SKF_AD_PAY_OFFSET,
                          SKF_AD_RANDOM, SKF_AD_MAX, 1}) {
    CHECK(!valid({op(BPF_LD | BPF_W | BPF_ABS, kAncillary + static_cast<std::uint32_t>(which)), ret}));
  }
  int known = 0;
  for (int code = 0; code <= 0xffff; ++code) known += valid({op(code, 1), ret, ret}) ? 1 : 0;
  CHECK(known == 49);  // as many as bpf_check_classic accepts
}

namespace {

// Sends `bytes` through a socket pair with the program attached and returns the number of bytes received: the filter's
// return value, limited to the packet's length; -1 if the kernel refuses the program.
int kernelVerdict(const Program& program, const Bytes& bytes) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return -1;
  std::vector<sock_filter> code(program.size());
  std::memcpy(code.data(), program.data(), program.size() * sizeof(sock_filter));
  const sock_fprog attach{static_cast<unsigned short>(code.size()), code.data()};
  int verdict = -1;
  if (::setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &attach, sizeof attach) == 0) {
    const auto sent = ::send(pair[0], bytes.data(), bytes.size(), 0);
    std::uint8_t buffer[256];
    const auto got = ::recv(pair[1], buffer, sizeof buffer, 0);
    verdict = sent < 0 || got < 0 ? 0 : static_cast<int>(got);
  }
  ::close(pair[0]);
  ::close(pair[1]);
  return verdict;
}

}  // namespace

TEST(randomProgramsRunAsInTheKernel) {
  support::Choices choices(20261121);
  int compared = 0;
  for (int round = 0; round < 4000; ++round) {
    const Program program = support::randomProgram(choices);
    const Bytes bytes = choices.bytes(1 + choices.below(60));
    const int kernel = kernelVerdict(program, bytes);
    // Our validation must agree with the kernel's (except for ancillary loads, which only the kernel can answer).
    if (!valid(program)) continue;
    CHECK(kernel >= 0);
    const std::uint32_t ours = runFilter(program, bytes, static_cast<std::uint32_t>(bytes.size()));
    // A socket keeps at least one byte of an accepted packet, and at most its length.
    CHECK(static_cast<std::uint32_t>(kernel) == std::min(ours, static_cast<std::uint32_t>(bytes.size())));
    ++compared;
  }
  CHECK(compared > 2000);
}
