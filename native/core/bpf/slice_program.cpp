#include "core/bpf/slice_program.h"

#include <linux/filter.h>
#include <linux/if_ether.h>

#include <array>

#include "core/bpf/address_locator.h"
#include "core/bpf/ip_walk.h"

namespace ringtap {

using namespace ip_walk;

namespace {

using Label = CbpfWriter::Label;
constexpr Label kNext = CbpfWriter::kNext;

// Scratch words of M[].
constexpr std::uint32_t kType = kFree;  // the EtherType of what M[kBehind] is the offset of
constexpr std::uint32_t kFlags = kFree + 1;
constexpr std::uint32_t kNextExtension = kFree + 2;

// IANA's protocol numbers.
constexpr std::uint32_t kIcmp = 1, kIgmp = 2, kIpInIp = 4, kTcp = 6, kUdp = 17, kIp6InIp = 41, kGre = 47, kEsp = 50,
                        kAuthentication = 51, kIcmp6 = 58, kSctp = 132, kUdpLite = 136;

constexpr std::uint32_t kVxlanPort = 4789, kLinuxVxlanPort = 8472, kGenevePort = 6081, kGtpPort = 2152;
constexpr std::uint32_t kUdpHeader = 8, kTunnelHeader = 8;  // the least of VXLAN, GENEVE and GTP-U

constexpr std::uint32_t kGreVersion = 7;
constexpr std::uint32_t kGreAcknowledgement = 0x80, kGreSequence = 0x1000, kGreKey = 0x2000, kGreChecksum = 0x8000;

constexpr int kGtpExtensions = 2;

class SliceWriter {
 public:
  explicit SliceWriter(Slice slice) : levels_(slice == Slice::Headers ? kMaxTunnels + 1 : 1) {
    for (auto* labels : {&enter_, &typed_, &frame_}) {
      for (Label& each : *labels) each = out_.label();
    }
  }

  FilterProgram write(std::uint32_t limit) {
    start();
    for (int at = 0; at < levels_; ++at) level(at);
    out_.land(behind_);
    out_.op(BPF_LD | BPF_MEM, kBehind);
    out_.land(cut_);
    out_.branch(BPF_JGE | BPF_K, limit, whole_, kNext);
    out_.op(BPF_RET | BPF_A);
    out_.land(whole_);
    out_.op(BPF_RET | BPF_K, limit);
    return out_.finish();
  }

 private:
  void start() {
    const Label four = out_.label(), six = out_.label(), subtract = out_.label();
    out_.op(BPF_ST, kNetwork);
    out_.op(BPF_ALU | BPF_AND | BPF_K, kAddressesKind);
    out_.branch(BPF_JEQ | BPF_K, kAddressesIp4, four, kNext);
    out_.branch(BPF_JEQ | BPF_K, kAddressesIp6, six, kNext);
    out_.go(whole_);
    // The locator's addresses are 12 and 8 bytes into the header.
    out_.land(four);
    out_.op(BPF_LD | BPF_IMM, 12);
    out_.go(subtract);
    out_.land(six);
    out_.op(BPF_LD | BPF_IMM, 8);
    out_.land(subtract);
    out_.op(BPF_MISC | BPF_TAX);
    out_.op(BPF_LD | BPF_MEM, kNetwork);
    out_.op(BPF_ALU | BPF_RSH | BPF_K, 2);
    out_.op(BPF_ALU | BPF_SUB | BPF_X);
    out_.op(BPF_ST, kNetwork);
    out_.op(BPF_ST, kBehind);
  }

  // The headers of one IP packet, and the way into the next one.
  void level(int at) {
    const Label four = out_.label(), six = out_.label(), transport = out_.label();
    const IpWalk::Ends ends{transport, behind_, whole_};
    out_.land(enter_[index(at)]);
    walk_.need(kNetwork, 20, whole_);
    out_.op(BPF_LDX | BPF_MEM, kNetwork);
    out_.op(BPF_LD | BPF_B | BPF_IND, 0);
    out_.op(BPF_ALU | BPF_AND | BPF_K, 0xf0);
    out_.branch(BPF_JEQ | BPF_K, 0x40, four, kNext);
    out_.branch(BPF_JEQ | BPF_K, 0x60, six, kNext);
    out_.go(at == 0 ? whole_ : behind_);
    out_.land(four);
    walk_.ip4(ends);
    out_.land(six);
    walk_.need(kNetwork, 40, whole_);
    walk_.ip6(ends);
    out_.land(transport);
    transportHeader(at);
    if (!deeper(at)) return;
    out_.land(typed_[index(at)]);
    byType(at);
    out_.land(frame_[index(at)]);
    ethernet(at);
  }

  void transportHeader(int at) {
    const Label tcp = out_.label(), udp = out_.label(), eight = out_.label(), twelve = out_.label(), gre = out_.label(),
                authentication = out_.label(), ip = out_.label();
    out_.op(BPF_LD | BPF_MEM, kProtocol);
    const auto is = [&](std::uint32_t protocol, Label to) { out_.branch(BPF_JEQ | BPF_K, protocol, to, kNext); };
    is(kTcp, tcp);
    is(kUdp, deeper(at) ? udp : eight);
    for (const std::uint32_t protocol : {kUdpLite, kIcmp, kIcmp6, kIgmp, kEsp}) is(protocol, eight);
    is(kSctp, twelve);
    is(kGre, gre);
    is(kAuthentication, authentication);
    if (deeper(at)) {
      is(kIpInIp, ip);
      is(kIp6InIp, ip);
    }
    out_.go(behind_);

    if (deeper(at)) {
      out_.land(ip);
      enter(at);
    }
    out_.land(eight);
    cutBehind(8);
    out_.land(twelve);
    cutBehind(12);
    out_.land(tcp);
    tcpHeader();
    out_.land(authentication);
    authenticationHeader();
    out_.land(gre);
    greHeader(at);
    if (!deeper(at)) return;
    out_.land(udp);
    udpTunnels(at);
  }

  [[nodiscard]] bool deeper(int at) const { return at + 1 < levels_; }
  static std::size_t index(int at) { return static_cast<std::size_t>(at); }

  void cutBehind(std::uint32_t bytes) {
    out_.op(BPF_LD | BPF_MEM, kBehind);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, bytes);
    out_.go(cut_);
  }

  void tcpHeader() {
    const Label sound = out_.label();
    walk_.need(kBehind, 13, whole_);
    out_.op(BPF_LDX | BPF_MEM, kBehind);
    out_.op(BPF_LD | BPF_B | BPF_IND, 12);
    out_.op(BPF_ALU | BPF_AND | BPF_K, 0xf0);
    out_.op(BPF_ALU | BPF_RSH | BPF_K, 2);
    out_.branch(BPF_JGE | BPF_K, 20, sound, kNext);
    out_.go(whole_);
    out_.land(sound);
    out_.op(BPF_ALU | BPF_ADD | BPF_X);
    out_.go(cut_);
  }

  void authenticationHeader() {
    walk_.need(kBehind, 2, whole_);
    out_.op(BPF_LDX | BPF_MEM, kBehind);
    out_.op(BPF_LD | BPF_B | BPF_IND, 1);
    out_.op(BPF_ALU | BPF_LSH | BPF_K, 2);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, 8);
    out_.op(BPF_ALU | BPF_ADD | BPF_X);
    out_.go(cut_);
  }

  void advance(std::uint32_t bytes) {
    out_.op(BPF_LD | BPF_MEM, kBehind);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, bytes);
    out_.op(BPF_ST, kBehind);
  }

  // Loads from the header at M[kBehind], whose bytes are there.
  void load(int size, std::uint32_t offset) {
    out_.op(BPF_LDX | BPF_MEM, kBehind);
    out_.op(BPF_LD | size | BPF_IND, offset);
  }

  void greHeader(int at) {
    walk_.need(kBehind, 4, whole_);
    load(BPF_H, 2);
    out_.op(BPF_ST, kType);
    load(BPF_H, 0);
    out_.op(BPF_ST, kFlags);
    advance(4);
    for (const std::uint32_t flag : {kGreChecksum, kGreKey, kGreSequence, kGreAcknowledgement}) {
      const Label absent = out_.label();
      out_.op(BPF_LD | BPF_MEM, kFlags);
      out_.branch(BPF_JSET | BPF_K, flag, kNext, absent);
      advance(4);
      out_.land(absent);
    }
    if (!deeper(at)) {
      out_.go(behind_);
      return;
    }
    const Label plain = out_.label();
    out_.op(BPF_LD | BPF_MEM, kFlags);
    out_.branch(BPF_JSET | BPF_K, kGreVersion, kNext, plain);
    out_.go(behind_);
    out_.land(plain);
    out_.go(typed_[index(at)]);
  }

  void udpTunnels(int at) {
    const Label vxlan = out_.label(), geneve = out_.label(), gtp = out_.label();
    walk_.need(kBehind, kUdpHeader, whole_);
    load(BPF_H, 2);
    out_.branch(BPF_JEQ | BPF_K, kVxlanPort, vxlan, kNext);
    out_.branch(BPF_JEQ | BPF_K, kLinuxVxlanPort, vxlan, kNext);
    out_.branch(BPF_JEQ | BPF_K, kGenevePort, geneve, kNext);
    out_.branch(BPF_JEQ | BPF_K, kGtpPort, gtp, kNext);
    load(BPF_H, 0);
    out_.branch(BPF_JEQ | BPF_K, kGtpPort, gtp, kNext);
    cutBehind(kUdpHeader);
    out_.land(vxlan);
    advance(kUdpHeader + kTunnelHeader);
    out_.go(frame_[index(at)]);
    out_.land(geneve);
    geneveHeader(at);
    out_.land(gtp);
    gtpHeader(at);
  }

  void geneveHeader(int at) {
    const Label sound = out_.label();
    advance(kUdpHeader);
    walk_.need(kBehind, kTunnelHeader, whole_);
    load(BPF_H, 2);
    out_.op(BPF_ST, kType);
    load(BPF_B, 0);
    out_.branch(BPF_JSET | BPF_K, 0xc0, kNext, sound);  // a version that is not known
    out_.go(behind_);
    out_.land(sound);
    out_.op(BPF_ALU | BPF_AND | BPF_K, 0x3f);
    out_.op(BPF_ALU | BPF_LSH | BPF_K, 2);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, kTunnelHeader);
    out_.op(BPF_ALU | BPF_ADD | BPF_X);
    out_.op(BPF_ST, kBehind);
    out_.go(typed_[index(at)]);
  }

  // 3GPP TS 29.281. Messages other than a user's packet, and unknown versions, are cut behind the first 8 bytes.
  void gtpHeader(int at) {
    const Label version = out_.label(), packet = out_.label(), optional = out_.label(), chain = out_.label();
    advance(kUdpHeader);
    walk_.need(kBehind, kTunnelHeader, whole_);
    load(BPF_B, 1);
    out_.op(BPF_ST, kType);
    load(BPF_B, 0);
    out_.op(BPF_ST, kFlags);
    advance(kTunnelHeader);
    out_.op(BPF_LD | BPF_MEM, kFlags);
    out_.op(BPF_ALU | BPF_AND | BPF_K, 0xf0);
    out_.branch(BPF_JEQ | BPF_K, 0x30, version, kNext);
    out_.go(behind_);
    out_.land(version);
    out_.op(BPF_LD | BPF_MEM, kType);
    out_.branch(BPF_JEQ | BPF_K, 255, packet, kNext);
    out_.go(behind_);
    out_.land(packet);
    out_.op(BPF_LD | BPF_MEM, kFlags);
    out_.branch(BPF_JSET | BPF_K, 7, optional, kNext);
    enter(at);
    out_.land(optional);
    walk_.need(kBehind, 4, whole_);
    load(BPF_B, 3);
    out_.op(BPF_ST, kNextExtension);
    advance(4);
    out_.op(BPF_LD | BPF_MEM, kFlags);
    out_.branch(BPF_JSET | BPF_K, 4, chain, kNext);
    enter(at);
    out_.land(chain);
    for (int i = 0; i < kGtpExtensions; ++i) gtpExtension(at);
    const Label more = out_.label();
    out_.op(BPF_LD | BPF_MEM, kNextExtension);
    out_.branch(BPF_JEQ | BPF_K, 0, kNext, more);
    enter(at);
    out_.land(more);
    out_.go(behind_);
  }

  // An extension header has its length, in units of four bytes, first, and the type of the next one last.
  void gtpExtension(int at) {
    const Label more = out_.label(), sound = out_.label();
    out_.op(BPF_LD | BPF_MEM, kNextExtension);
    out_.branch(BPF_JEQ | BPF_K, 0, kNext, more);
    enter(at);
    out_.land(more);
    walk_.need(kBehind, 4, whole_);
    load(BPF_B, 0);
    out_.op(BPF_ALU | BPF_LSH | BPF_K, 2);
    out_.branch(BPF_JGE | BPF_K, 4, sound, kNext);
    out_.go(whole_);
    out_.land(sound);
    out_.op(BPF_ALU | BPF_ADD | BPF_X);
    out_.op(BPF_ST, kBehind);
    walk_.need(kBehind, 0, whole_);
    out_.op(BPF_LD | BPF_MEM, kBehind);
    out_.op(BPF_ALU | BPF_SUB | BPF_K, 1);
    out_.op(BPF_MISC | BPF_TAX);
    out_.op(BPF_LD | BPF_B | BPF_IND, 0);
    out_.op(BPF_ST, kNextExtension);
  }

  // What M[kType] says is at M[kBehind].
  void byType(int at) {
    const Label ip = out_.label();
    out_.op(BPF_LD | BPF_MEM, kType);
    out_.branch(BPF_JEQ | BPF_K, ETH_P_IP, ip, kNext);
    out_.branch(BPF_JEQ | BPF_K, ETH_P_IPV6, ip, kNext);
    out_.branch(BPF_JEQ | BPF_K, ETH_P_TEB, frame_[index(at)], kNext);
    out_.go(behind_);
    out_.land(ip);
    enter(at);
  }

  // An Ethernet frame with up to two VLAN tags at M[kBehind].
  void ethernet(int at) {
    const Label ip = out_.label();
    walk_.need(kBehind, 14, whole_);
    load(BPF_H, 12);
    out_.op(BPF_ST, kType);
    advance(14);
    for (int tag = 0; tag < 2; ++tag) {
      const Label tagged = out_.label(), untagged = out_.label();
      out_.op(BPF_LD | BPF_MEM, kType);
      out_.branch(BPF_JEQ | BPF_K, ETH_P_8021Q, tagged, kNext);
      out_.branch(BPF_JEQ | BPF_K, ETH_P_8021AD, tagged, kNext);
      out_.branch(BPF_JEQ | BPF_K, ETH_P_QINQ1, tagged, kNext);
      out_.go(untagged);
      out_.land(tagged);
      walk_.need(kBehind, 4, whole_);
      load(BPF_H, 2);
      out_.op(BPF_ST, kType);
      advance(4);
      out_.land(untagged);
    }
    out_.op(BPF_LD | BPF_MEM, kType);
    out_.branch(BPF_JEQ | BPF_K, ETH_P_IP, ip, kNext);
    out_.branch(BPF_JEQ | BPF_K, ETH_P_IPV6, ip, kNext);
    out_.go(whole_);
    out_.land(ip);
    enter(at);
  }

  // Continues with the IP packet at M[kBehind].
  void enter(int at) {
    out_.op(BPF_LD | BPF_MEM, kBehind);
    out_.op(BPF_ST, kNetwork);
    out_.go(enter_[index(at) + 1]);
  }

  const int levels_;
  CbpfWriter out_;
  // By level.
  using Labels = std::array<Label, kMaxTunnels + 1>;
  Labels enter_{}, typed_{}, frame_{};
  const Label behind_ = out_.label(), cut_ = out_.label(), whole_ = out_.label();
  IpWalk walk_{out_, WalkFragments::Later};
};

}  // namespace

FilterProgram sliceProgram(Slice slice, std::uint32_t limit) { return SliceWriter(slice).write(limit); }

}  // namespace ringtap
