#include "core/bpf/sample_program.h"

#include <linux/filter.h>

#include "core/bpf/address_locator.h"
#include "core/bpf/ip_walk.h"

namespace ringtap {

using namespace ip_walk;

namespace {

using Label = CbpfWriter::Label;
constexpr Label kNext = CbpfWriter::kNext;

// Scratch words of M[].
constexpr std::uint32_t kLocated = kFree;
constexpr std::uint32_t kSourcePort = kFree;  // `kLocated` is not needed any more
constexpr std::uint32_t kDestinationPort = kFree + 1;
constexpr std::uint32_t kHash = kFree + 2;
constexpr std::uint32_t kSourceHash = kFree + 3;
constexpr std::uint32_t kMode = kFree + 4;  // whether IPv6

constexpr std::uint32_t kTcp = 6, kUdp = 17, kSctp = 132;

// The addresses in the header of an IP version.
struct Version {
  std::uint32_t source;
  std::uint32_t words;  // of each address
};
constexpr Version kIp4{12, 1}, kIp6{8, 4};

class SampleWriter {
 public:
  SampleWriter(CbpfWriter& out, const Sample& sample) : out_(out), sample_(sample) {}

  void write(Label take, Label refuse) {
    const Label four = out_.label(), six = out_.label(), hashed = out_.label();
    out_.op(BPF_ST, kLocated);
    out_.op(BPF_ALU | BPF_AND | BPF_K, kAddressesKind);
    out_.branch(BPF_JEQ | BPF_K, kAddressesIp4, four, kNext);
    out_.branch(BPF_JEQ | BPF_K, kAddressesIp6, six, kNext);
    out_.go(take);

    const Label ports = out_.label(), none = out_.label(), known = out_.label();
    const IpWalk::Ends ends{ports, none, none};
    IpWalk walk(out_, WalkFragments::All);
    out_.land(four);
    network(kIp4);
    out_.op(BPF_LD | BPF_IMM, 0);
    out_.op(BPF_ST, kMode);
    walk.ip4(ends);
    out_.land(six);
    network(kIp6);
    out_.op(BPF_LD | BPF_IMM, 1);
    out_.op(BPF_ST, kMode);
    walk.ip6(ends);

    out_.land(ports);
    readPorts(walk, none);
    out_.go(known);
    out_.land(none);
    out_.op(BPF_LD | BPF_IMM, 0);
    out_.op(BPF_ST, kSourcePort);
    out_.op(BPF_ST, kDestinationPort);
    out_.land(known);
    hash(hashed);
    decide(take, refuse);
  }

 private:
  // M[kNetwork] = the offset of the network header.
  void network(const Version& version) {
    out_.op(BPF_LD | BPF_MEM, kLocated);
    out_.op(BPF_ALU | BPF_RSH | BPF_K, 2);
    out_.op(BPF_ALU | BPF_SUB | BPF_K, version.source);
    out_.op(BPF_ST, kNetwork);
  }

  void readPorts(IpWalk& walk, Label none) {
    const Label have = out_.label();
    out_.op(BPF_LD | BPF_MEM, kProtocol);
    for (const std::uint32_t protocol : {kTcp, kUdp, kSctp}) out_.branch(BPF_JEQ | BPF_K, protocol, have, kNext);
    out_.go(none);
    out_.land(have);
    walk.need(kBehind, 4, none);
    out_.op(BPF_LDX | BPF_MEM, kBehind);
    out_.op(BPF_LD | BPF_H | BPF_IND, 0);
    out_.op(BPF_ST, kSourcePort);
    out_.op(BPF_LD | BPF_H | BPF_IND, 2);
    out_.op(BPF_ST, kDestinationPort);
  }

  // A = step(h, A), with h in X: the hash function's only operation beside the last ones.
  void step() {
    out_.op(BPF_ALU | BPF_XOR | BPF_X);
    out_.op(BPF_ALU | BPF_MUL | BPF_K, 0x9e37'79b1);
    shiftedXor(15);
  }

  // A = A ^ (A >> bits).
  void shiftedXor(std::uint32_t bits) {
    out_.op(BPF_MISC | BPF_TAX);
    out_.op(BPF_ALU | BPF_RSH | BPF_K, bits);
    out_.op(BPF_ALU | BPF_XOR | BPF_X);
  }

  // A = the hash of an end: of its address and port.
  void end(std::uint32_t address, std::uint32_t words, std::uint32_t port) {
    out_.op(BPF_LD | BPF_IMM, sample_.seed);
    out_.op(BPF_ST, kHash);
    for (std::uint32_t word = 0; word < words; ++word) {
      out_.op(BPF_LDX | BPF_MEM, kNetwork);
      out_.op(BPF_LD | BPF_W | BPF_IND, address + 4 * word);
      out_.op(BPF_LDX | BPF_MEM, kHash);
      step();
      out_.op(BPF_ST, kHash);
    }
    out_.op(BPF_LD | BPF_MEM, port);
    out_.op(BPF_LDX | BPF_MEM, kHash);
    step();
  }

  // M[kHash] = the sum of the hashes of both ends.
  void ends(const Version& version) {
    end(version.source, version.words, kSourcePort);
    out_.op(BPF_ST, kSourceHash);
    end(version.source + 4 * version.words, version.words, kDestinationPort);
    out_.op(BPF_LDX | BPF_MEM, kSourceHash);
    out_.op(BPF_ALU | BPF_ADD | BPF_X);
    out_.op(BPF_ST, kHash);
  }

  // A = the flow's hash.
  void hash(Label done) {
    const Label six = out_.label(), four = out_.label();
    out_.op(BPF_LD | BPF_MEM, kMode);
    out_.branch(BPF_JEQ | BPF_K, 0, four, kNext);
    out_.go(six);
    out_.land(four);
    ends(kIp4);
    out_.go(done);
    out_.land(six);
    ends(kIp6);
    out_.land(done);
    out_.op(BPF_LD | BPF_MEM, kProtocol);
    out_.op(BPF_LDX | BPF_MEM, kHash);
    step();
    shiftedXor(16);
    out_.op(BPF_ALU | BPF_MUL | BPF_K, 0x85eb'ca6b);
    shiftedXor(13);
    out_.op(BPF_ALU | BPF_MUL | BPF_K, 0xc2b2'ae35);
    shiftedXor(16);
  }

  void decide(Label take, Label refuse) {
    const Label beyond = out_.label();
    out_.branch(BPF_JGE | BPF_K, sample_.below, beyond, kNext);
    out_.go(take);
    out_.land(beyond);
    out_.go(refuse);
  }

  CbpfWriter& out_;
  const Sample& sample_;
};

}  // namespace

void appendSample(CbpfWriter& out, const Sample& sample, CbpfWriter::Label take, CbpfWriter::Label refuse) {
  SampleWriter(out, sample).write(take, refuse);
}

FilterProgram sampleProgram(const Sample& sample) {
  CbpfWriter out;
  const Label take = out.label(), refuse = out.label();
  appendSample(out, sample, take, refuse);
  out.land(take);
  out.op(BPF_RET | BPF_K, kSampled);
  out.land(refuse);
  out.op(BPF_RET | BPF_K, kSampledOut);
  return out.finish();
}

}  // namespace ringtap
