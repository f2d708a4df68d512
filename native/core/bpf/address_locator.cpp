#include "core/bpf/address_locator.h"

#include <linux/filter.h>
#include <linux/if_ether.h>

#include <algorithm>

#include "core/util/link_type.h"

namespace ringtap {

namespace {

using Label = CbpfWriter::Label;
constexpr Label kNext = CbpfWriter::kNext;

constexpr std::uint32_t kLongestPreamble = 65535;  // of a wireless frame; a greater length is invalid

// Writes one locator. Loads are within the packet's original length: a load beyond it would end the kernel's program.
class LocatorWriter {
 public:
  FilterProgram ethernet() {
    const Label type = out_.label();
    need(14);
    out_.op(BPF_LD | BPF_H | BPF_ABS, 12);
    out_.op(BPF_LDX | BPF_IMM, 14);
    for (const std::uint32_t behind : {18u, 22u}) {
      const Label tagged = out_.label();
      out_.branch(BPF_JEQ | BPF_K, ETH_P_8021Q, tagged, kNext);
      out_.branch(BPF_JEQ | BPF_K, ETH_P_8021AD, tagged, kNext);
      out_.branch(BPF_JEQ | BPF_K, ETH_P_QINQ1, tagged, type);
      out_.land(tagged);
      need(behind);
      out_.op(BPF_LD | BPF_H | BPF_ABS, behind - 2);
      out_.op(BPF_LDX | BPF_IMM, behind);
    }
    out_.land(type);
    byEtherType();
    return finish();
  }

  FilterProgram raw() {
    need(1);
    out_.op(BPF_LDX | BPF_IMM, 0);
    out_.op(BPF_LD | BPF_B | BPF_ABS, 0);
    out_.op(BPF_ALU | BPF_AND | BPF_K, 0xf0);
    out_.branch(BPF_JEQ | BPF_K, 0x40, ip4_, kNext);
    out_.branch(BPF_JEQ | BPF_K, 0x60, ip6_, none_);
    return finish();
  }

  FilterProgram wireless() {
    out_.op(BPF_LDX | BPF_IMM, 0);
    wirelessFrame(false);
    return finish();
  }

  // The length is little endian, in bytes 2 and 3.
  FilterProgram radiotap() {
    need(8);
    out_.op(BPF_LD | BPF_B | BPF_ABS, 3);
    out_.op(BPF_ALU | BPF_LSH | BPF_K, 8);
    out_.op(BPF_MISC | BPF_TAX);
    out_.op(BPF_LD | BPF_B | BPF_ABS, 2);
    out_.op(BPF_ALU | BPF_OR | BPF_X);
    out_.op(BPF_MISC | BPF_TAX);
    wirelessFrame(true);
    return finish();
  }

  // Prism's header is 144 bytes long; some drivers put an AVS header there instead, which has a length field.
  FilterProgram prism() {
    const Label avs = out_.label(), known = out_.label();
    need(8);
    out_.op(BPF_LD | BPF_W | BPF_ABS, 0);
    out_.op(BPF_ALU | BPF_AND | BPF_K, 0xfffff000);
    out_.branch(BPF_JEQ | BPF_K, 0x80211000, avs, kNext);
    out_.op(BPF_LD | BPF_IMM, 144);
    out_.go(known);
    out_.land(avs);
    out_.op(BPF_LD | BPF_W | BPF_ABS, 4);
    out_.branch(BPF_JGT | BPF_K, kLongestPreamble, none_, kNext);
    out_.land(known);
    out_.op(BPF_MISC | BPF_TAX);
    wirelessFrame(false);
    return finish();
  }

 private:
  // Checks that the packet has `length` bytes. Overwrites A.
  void need(std::uint32_t length) {
    out_.op(BPF_LD | BPF_W | BPF_LEN);
    out_.branch(BPF_JGE | BPF_K, length, kNext, none_);
  }
  // Checks that the packet has `length` bytes from X on. Overwrites A and M[0].
  void needBehindX(std::uint32_t length) {
    out_.op(BPF_STX, 0);
    out_.op(BPF_MISC | BPF_TXA);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, length);
    out_.op(BPF_LDX | BPF_W | BPF_LEN);
    out_.branch(BPF_JGT | BPF_X, 0, none_, kNext);
    out_.op(BPF_LDX | BPF_MEM, 0);
  }

  // A wireless LAN frame begins at X. A data frame has a header of 24 bytes, two more with a QoS field; some drivers
  // pad it to a multiple of four, which the flags of the radiotap header report. LLC with SNAP follows. Encrypted
  // frames have no addresses.
  void wirelessFrame(bool radiotap) {
    const Label plain = out_.label(), headed = out_.label(), padded = out_.label(), far = out_.label(),
                flags = out_.label();
    needBehindX(2);
    out_.op(BPF_LD | BPF_B | BPF_IND, 1);
    out_.branch(BPF_JSET | BPF_K, 0x40, none_, kNext);
    out_.op(BPF_LD | BPF_B | BPF_IND, 0);
    out_.branch(BPF_JSET | BPF_K, 0x08, kNext, none_);
    out_.branch(BPF_JSET | BPF_K, 0x04, none_, kNext);
    out_.branch(BPF_JSET | BPF_K, 0x80, kNext, plain);
    out_.op(BPF_MISC | BPF_TXA);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, 26);
    out_.go(headed);
    out_.land(plain);
    out_.op(BPF_MISC | BPF_TXA);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, 24);
    out_.land(headed);
    out_.op(BPF_MISC | BPF_TAX);
    if (radiotap) {
      // Of the fields present (little endian), the first may be an 8-byte timestamp; the second are the flags.
      out_.op(BPF_STX, 1);
      out_.op(BPF_LD | BPF_W | BPF_ABS, 4);
      out_.branch(BPF_JSET | BPF_K, 0x0200'0000, kNext, padded);
      out_.branch(BPF_JSET | BPF_K, 0x80, padded, kNext);
      out_.branch(BPF_JSET | BPF_K, 0x0100'0000, far, kNext);
      need(9);
      out_.op(BPF_LD | BPF_B | BPF_ABS, 8);
      out_.go(flags);
      out_.land(far);
      need(17);
      out_.op(BPF_LD | BPF_B | BPF_ABS, 16);
      out_.land(flags);
      out_.branch(BPF_JSET | BPF_K, 0x20, kNext, padded);
      out_.op(BPF_LD | BPF_MEM, 1);
      out_.op(BPF_ALU | BPF_ADD | BPF_K, 3);
      out_.op(BPF_ALU | BPF_AND | BPF_K, 0xffff'fffc);
      out_.op(BPF_ST, 1);
      out_.land(padded);
      out_.op(BPF_LDX | BPF_MEM, 1);
    }
    needBehindX(8);
    out_.op(BPF_LD | BPF_H | BPF_IND, 6);
    out_.op(BPF_ST, 1);
    out_.op(BPF_MISC | BPF_TXA);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, 8);
    out_.op(BPF_MISC | BPF_TAX);
    out_.op(BPF_LD | BPF_MEM, 1);
    byEtherType();
  }

  // A is the EtherType of the header that begins at X.
  void byEtherType() {
    out_.branch(BPF_JEQ | BPF_K, ETH_P_IP, ip4_, kNext);
    out_.branch(BPF_JEQ | BPF_K, ETH_P_IPV6, ip6_, kNext);
    out_.branch(BPF_JEQ | BPF_K, ETH_P_ARP, arp_, kNext);
    out_.branch(BPF_JEQ | BPF_K, ETH_P_RARP, arp_, none_);
    usesArp_ = true;
  }

  // The network header is at X; relative to it, the addresses are in the bytes from `first` to `end`.
  void found(std::uint32_t kind, std::uint32_t first, std::uint32_t end) {
    needBehindX(end);
    out_.op(BPF_MISC | BPF_TXA);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, first);
    out_.op(BPF_ALU | BPF_LSH | BPF_K, 2);
    out_.op(BPF_ALU | BPF_OR | BPF_K, kind);
    out_.go(end_);
  }

  FilterProgram finish() {
    out_.land(ip4_);
    found(kAddressesIp4, 12, 20);
    out_.land(ip6_);
    found(kAddressesIp6, 8, 40);
    if (usesArp_) {
      out_.land(arp_);
      found(kAddressesArp, 14, 28);
    }
    out_.land(none_);
    out_.op(BPF_LD | BPF_IMM, kNoAddresses);
    out_.land(end_);
    out_.op(BPF_RET | BPF_A);
    return out_.finish();
  }

  CbpfWriter out_;
  Label ip4_ = out_.label(), ip6_ = out_.label(), arp_ = out_.label(), none_ = out_.label(), end_ = out_.label();
  bool usesArp_ = false;  // the verifier refuses unreachable instructions
};

}  // namespace

const std::vector<Locator>& locators() {
  static const std::vector<Locator> all{
      {kLinkTypeEthernet, LocatorWriter().ethernet()}, {kLinkTypeRaw, LocatorWriter().raw()},
      {kLinkTypeWireless, LocatorWriter().wireless()}, {kLinkTypePrism, LocatorWriter().prism()},
      {kLinkTypeRadiotap, LocatorWriter().radiotap()},
  };
  return all;
}

const Locator* locatorFor(std::uint16_t linkType) {
  const auto& all = locators();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Locator& locator) { return locator.linkType == linkType; });
  return found == all.end() ? nullptr : &*found;
}

FilterProgram behindLocator(const Locator& locator, const FilterProgram& program) {
  FilterProgram whole = locator.program;
  whole.pop_back();  // the final `ret a`
  whole.insert(whole.end(), program.begin(), program.end());
  return whole;
}

void appendLocators(CbpfWriter& out) {
  const Label located = out.label();
  out.op(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_HATYPE));
  for (const Locator& locator : locators()) {
    const Label here = out.label(), other = out.label();
    for (const std::uint16_t type : hardwareTypesOf(locator.linkType)) {
      out.branch(BPF_JEQ | BPF_K, type, here, kNext);
    }
    out.go(other);
    out.land(here);
    FilterProgram program = locator.program;
    program.pop_back();  // the final `ret a`
    out.append(program);
    out.go(located);
    out.land(other);
  }
  out.op(BPF_LD | BPF_IMM, kNoAddresses);
  out.land(located);
}

}  // namespace ringtap
