// Writes classic BPF that finds where the IP headers of a packet end, for programs that read what follows them.
#pragma once

#include <cstdint>

#include "core/bpf/cbpf_writer.h"

namespace ringtap {

// The words of M[] that hold the state. The locators of addresses (address_locator.h) use the two words below them.
namespace ip_walk {
inline constexpr std::uint32_t kNetwork = 2;   // the offset of the IP header
inline constexpr std::uint32_t kBehind = 3;    // the offset behind the headers passed so far
inline constexpr std::uint32_t kProtocol = 4;  // what follows there: a protocol or next header number
inline constexpr std::uint32_t kFree = 5;      // the first word that the walk leaves alone
}  // namespace ip_walk

// Extension headers of IPv6 that are passed: hop-by-hop options (0), routing (43), fragment (44), authentication (51),
// destination options (60), mobility (135), HIP (139), shim6 (140); at most this many in one packet.
inline constexpr int kMaxExtensions = 6;

// Which fragments leave the walk at IpWalk::Ends::fragment: with All, those that are a whole packet by themselves
// (RFC 6946) are no fragments.
enum class WalkFragments { Later, All };

class IpWalk {
 public:
  using Label = CbpfWriter::Label;
  struct Ends {
    Label transport;  // at the header of M[kProtocol], which M[kBehind] is the offset of
    // Behind the headers of a fragment. IPv6: M[kProtocol] is that of the fragment header, 44, itself.
    Label fragment;
    Label cut;  // the packet ends within the headers, or they contradict themselves or are too many; M[] as far as read
  };

  IpWalk(CbpfWriter& out, WalkFragments fragments) : out_(out), fragments_(fragments) {}

  // Append the walk from the header at M[kNetwork], whose 20 bytes (IPv4) or 40 (IPv6) are there. Execution continues
  // at one of the labels. Overwrites A and X. Loads are within the packet's original length: a load beyond it would end
  // the kernel's program.
  void ip4(const Ends& ends);
  void ip6(const Ends& ends);

  // Continues at `cut`, at any distance, unless the packet has `length` bytes from the offset in M[`word`] on.
  // Overwrites A and X.
  void need(std::uint32_t word, std::uint32_t length, Label cut);

 private:
  void extension(const Ends& ends, Label next);
  void unlessExtension(Label extension, Label transport);

  CbpfWriter& out_;
  const WalkFragments fragments_;
};

}  // namespace ringtap
