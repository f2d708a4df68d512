#include "core/bpf/connection_locator.h"

#include <linux/filter.h>

#include <algorithm>

#include "core/bpf/address_locator.h"
#include "core/bpf/connection_set.h"

namespace ringtap {

namespace {

using Label = CbpfWriter::Label;
constexpr Label kNext = CbpfWriter::kNext;

// Scratch words of M[].
constexpr std::uint32_t kLocated = 2;
constexpr std::uint32_t kNetwork = kNetworkMemory;
// The key.
constexpr std::uint32_t kProtocol = kConnectionMemory;
constexpr std::uint32_t kPorts = kConnectionMemory + 1;
constexpr std::uint32_t kLow = kConnectionMemory + 2;  // the address of the end with the lower port

constexpr std::uint32_t kFragment6 = 44;

// An IP version: where its addresses are in the header, and how many words each has.
struct Version {
  std::uint32_t source;
  std::uint32_t words;
};
constexpr Version kIp4{12, 1};
constexpr Version kIp6{8, 4};

// Loads are within the packet's original length: a load beyond it would end the kernel's program.
class KeyWriter {
 public:
  KeyWriter(CbpfWriter& out, const ConnectionLabels& labels) : out_(out), labels_(labels) {}

  void write() {
    const Label six = out_.label(), transport = out_.label();
    out_.op(BPF_ST, kLocated);
    kind(kNext, six);
    ip4();
    out_.go(transport);
    out_.land(six);
    ip6(transport);
    out_.land(transport);
    ports();
    out_.land(later4_);
    out_.go(labels_.later4);
    out_.land(later6_);
    out_.go(labels_.later6);
    out_.land(no_);
    out_.go(labels_.none);
  }

 private:
  // Branches on the IP version; other kinds have no connection.
  void kind(Label four, Label six) {
    out_.op(BPF_LD | BPF_MEM, kLocated);
    out_.op(BPF_ALU | BPF_AND | BPF_K, kAddressesKind);
    out_.branch(BPF_JEQ | BPF_K, kAddressesIp6, six, kNext);
    out_.branch(BPF_JEQ | BPF_K, kAddressesIp4, four, no_);
  }

  // X = the offset of the network header.
  void network(const Version& version) {
    out_.op(BPF_LD | BPF_MEM, kLocated);
    out_.op(BPF_ALU | BPF_RSH | BPF_K, 2);
    out_.op(BPF_ALU | BPF_SUB | BPF_K, version.source);
    out_.op(BPF_MISC | BPF_TAX);
    out_.op(BPF_STX, kNetwork);
  }

  // Checks that the packet has `length` bytes from the offset in M[`word`] on. Overwrites A and X.
  void need(std::uint32_t word, std::uint32_t length) {
    out_.op(BPF_LD | BPF_MEM, word);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, length);
    out_.op(BPF_LDX | BPF_W | BPF_LEN);
    out_.branch(BPF_JGT | BPF_X, 0, no_, kNext);
  }

  // These write the protocol, and leave the offset of the transport header in A.
  void ip4() {
    constexpr std::uint32_t shortest = 20;
    network(kIp4);
    out_.op(BPF_LD | BPF_H | BPF_IND, 6);
    out_.branch(BPF_JSET | BPF_K, 0x1fff, later4_, kNext);
    out_.op(BPF_LD | BPF_B | BPF_IND, 9);
    out_.op(BPF_ST, kProtocol);
    out_.op(BPF_LD | BPF_B | BPF_IND, 0);
    out_.op(BPF_ALU | BPF_AND | BPF_K, 0xf);
    out_.op(BPF_ALU | BPF_LSH | BPF_K, 2);
    out_.branch(BPF_JGE | BPF_K, shortest, kNext, no_);
    out_.op(BPF_ALU | BPF_ADD | BPF_X);
  }

  void ip6(Label transport) {
    constexpr std::uint32_t header = 40, fragmentHeader = 8;
    const Label fragment = out_.label();
    network(kIp6);
    out_.op(BPF_LD | BPF_B | BPF_IND, 6);
    out_.branch(BPF_JEQ | BPF_K, kFragment6, fragment, kNext);
    out_.op(BPF_ST, kProtocol);
    out_.op(BPF_MISC | BPF_TXA);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, header);
    out_.go(transport);
    out_.land(fragment);
    need(kNetwork, header + fragmentHeader);
    out_.op(BPF_LDX | BPF_MEM, kNetwork);
    out_.op(BPF_LD | BPF_H | BPF_IND, header + 2);
    out_.branch(BPF_JSET | BPF_K, 0xfff8, later6_, kNext);
    out_.op(BPF_LD | BPF_B | BPF_IND, header);
    out_.op(BPF_ST, kProtocol);
    out_.op(BPF_MISC | BPF_TXA);
    out_.op(BPF_ALU | BPF_ADD | BPF_K, header + fragmentHeader);
  }

  // A is the offset of the transport header, which begins with source and destination port.
  void ports() {
    const Label known = out_.label(), ascending = out_.label();
    out_.op(BPF_ST, kPorts);
    out_.op(BPF_LD | BPF_MEM, kProtocol);
    out_.branch(BPF_JEQ | BPF_K, kProtocolTcp, known, kNext);
    out_.branch(BPF_JEQ | BPF_K, kProtocolUdp, known, no_);
    out_.land(known);
    need(kPorts, 4);
    out_.op(BPF_LDX | BPF_MEM, kPorts);
    out_.op(BPF_STX, kTransportMemory);
    out_.op(BPF_LD | BPF_W | BPF_IND, 0);
    out_.op(BPF_ST, kPorts);
    out_.op(BPF_ALU | BPF_RSH | BPF_K, 16);
    out_.op(BPF_MISC | BPF_TAX);
    out_.op(BPF_LD | BPF_MEM, kPorts);
    out_.op(BPF_ALU | BPF_AND | BPF_K, 0xffff);
    out_.branch(BPF_JGE | BPF_X, 0, ascending, kNext);
    out_.op(BPF_ALU | BPF_LSH | BPF_K, 16);
    out_.op(BPF_ALU | BPF_OR | BPF_X);
    out_.op(BPF_ST, kPorts);
    addresses(true);
    out_.land(ascending);
    addresses(false);
  }

  // `swapped`: the destination has the lower port.
  void addresses(bool swapped) {
    const Label six = out_.label();
    out_.op(BPF_LDX | BPF_MEM, kNetwork);
    kind(kNext, six);
    addresses(kIp4, swapped);
    out_.go(labels_.found4);
    out_.land(six);
    addresses(kIp6, swapped);
    out_.go(labels_.found6);
  }

  void addresses(const Version& version, bool swapped) {
    for (std::uint32_t end = 0; end < 2; ++end) {
      const std::uint32_t word = kLow + version.words * (swapped ? 1 - end : end);
      for (std::uint32_t i = 0; i < version.words; ++i) {
        out_.op(BPF_LD | BPF_W | BPF_IND, version.source + 4 * (version.words * end + i));
        out_.op(BPF_ST, word + i);
      }
    }
  }

  CbpfWriter& out_;
  const ConnectionLabels labels_;
  // Within reach of conditional jumps.
  const Label no_ = out_.label(), later4_ = out_.label(), later6_ = out_.label();
};

FilterProgram programOf(const Locator& locator) {
  CbpfWriter out;
  const ConnectionLabels labels{out.label(), out.label(), out.label(), out.label(), out.label()};
  FilterProgram addresses = locator.program;
  addresses.pop_back();  // the final `ret a`
  out.append(addresses);
  appendConnectionKey(out, labels);
  for (const auto& [label, result] : {std::pair{labels.found4, kConnection4}, std::pair{labels.found6, kConnection6},
                                      std::pair{labels.none, kNoConnection}, std::pair{labels.later4, kLaterFragment4},
                                      std::pair{labels.later6, kLaterFragment6}}) {
    out.land(label);
    out.op(BPF_RET | BPF_K, result);
  }
  return out.finish();
}

}  // namespace

const std::vector<ConnectionLocator>& connectionLocators() {
  static const std::vector<ConnectionLocator> all = [] {
    std::vector<ConnectionLocator> list;
    for (const Locator& locator : locators()) list.push_back({locator.linkType, programOf(locator)});
    return list;
  }();
  return all;
}

const ConnectionLocator* connectionLocatorFor(std::uint16_t linkType) {
  const auto& all = connectionLocators();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const ConnectionLocator& one) { return one.linkType == linkType; });
  return found == all.end() ? nullptr : &*found;
}

void appendConnectionKey(CbpfWriter& out, const ConnectionLabels& labels) { KeyWriter(out, labels).write(); }

}  // namespace ringtap
