#include "core/bpf/ip_walk.h"

#include <linux/filter.h>

namespace ringtap {

using namespace ip_walk;

namespace {

constexpr CbpfWriter::Label kNext = CbpfWriter::kNext;

constexpr std::uint32_t kHeader4 = 20, kHeader6 = 40;
constexpr std::uint32_t kOptionHeaders[] = {0, 43, 60, 135, 139, 140};
constexpr std::uint32_t kFragmentHeader = 44, kAuthentication = 51;
constexpr std::uint32_t kExtension = 8;  // the least size of one

// Of the fields that say whether a packet is a fragment: the offset, and the offset with "more fragments".
struct FragmentBits {
  std::uint32_t later, all;
};
constexpr FragmentBits kFragment4{0x1fff, 0x3fff}, kFragment6{0xfff8, 0xfff9};

}  // namespace

void IpWalk::need(std::uint32_t word, std::uint32_t length, Label cut) {
  const Label there = out_.label();
  out_.op(BPF_LD | BPF_MEM, word);
  out_.op(BPF_ALU | BPF_ADD | BPF_K, length);
  out_.op(BPF_LDX | BPF_W | BPF_LEN);
  out_.branch(BPF_JGT | BPF_X, 0, kNext, there);
  out_.go(cut);
  out_.land(there);
}

void IpWalk::ip4(const Ends& ends) {
  const Label sound = out_.label(), whole = out_.label();
  const bool all = fragments_ == WalkFragments::All;
  out_.op(BPF_LDX | BPF_MEM, kNetwork);
  out_.op(BPF_LD | BPF_B | BPF_IND, 9);
  out_.op(BPF_ST, kProtocol);
  out_.op(BPF_STX, kBehind);
  out_.op(BPF_LD | BPF_B | BPF_IND, 0);
  out_.op(BPF_ALU | BPF_AND | BPF_K, 0xf);
  out_.op(BPF_ALU | BPF_LSH | BPF_K, 2);
  out_.branch(BPF_JGE | BPF_K, kHeader4, sound, kNext);
  out_.go(ends.cut);
  out_.land(sound);
  out_.op(BPF_ALU | BPF_ADD | BPF_X);
  out_.op(BPF_ST, kBehind);
  out_.op(BPF_LD | BPF_H | BPF_IND, 6);
  out_.branch(BPF_JSET | BPF_K, all ? kFragment4.all : kFragment4.later, kNext, whole);
  out_.go(ends.fragment);
  out_.land(whole);
  out_.go(ends.transport);
}

void IpWalk::ip6(const Ends& ends) {
  out_.op(BPF_LDX | BPF_MEM, kNetwork);
  out_.op(BPF_LD | BPF_B | BPF_IND, 6);
  out_.op(BPF_ST, kProtocol);
  out_.op(BPF_MISC | BPF_TXA);
  out_.op(BPF_ALU | BPF_ADD | BPF_K, kHeader6);
  out_.op(BPF_ST, kBehind);
  for (int i = 0; i < kMaxExtensions; ++i) {
    const Label next = out_.label();
    extension(ends, next);
    out_.land(next);
  }
  const Label more = out_.label();
  unlessExtension(more, ends.transport);
  out_.land(more);
  out_.go(ends.cut);
}

// Continues at `transport`, at any distance, if M[kProtocol] is no extension header.
void IpWalk::unlessExtension(Label extension, Label transport) {
  out_.op(BPF_LD | BPF_MEM, kProtocol);
  for (const std::uint32_t number : kOptionHeaders) out_.branch(BPF_JEQ | BPF_K, number, extension, kNext);
  out_.branch(BPF_JEQ | BPF_K, kAuthentication, extension, kNext);
  out_.branch(BPF_JEQ | BPF_K, kFragmentHeader, extension, kNext);
  out_.go(transport);
}

// Passes one extension header, and continues at `next`.
void IpWalk::extension(const Ends& ends, Label next) {
  const Label there = out_.label(), authentication = out_.label(), fragment = out_.label(), size = out_.label(),
              first = out_.label();
  unlessExtension(there, ends.transport);
  out_.land(there);
  need(kBehind, kExtension, ends.cut);
  out_.op(BPF_LDX | BPF_MEM, kBehind);
  out_.op(BPF_LD | BPF_MEM, kProtocol);
  out_.branch(BPF_JEQ | BPF_K, kFragmentHeader, fragment, kNext);
  out_.branch(BPF_JEQ | BPF_K, kAuthentication, authentication, kNext);

  // The second byte is the size without the first eight bytes, in units of eight, or of four with authentication.
  out_.op(BPF_LD | BPF_B | BPF_IND, 1);
  out_.op(BPF_ALU | BPF_LSH | BPF_K, 3);
  out_.go(size);
  out_.land(authentication);
  out_.op(BPF_LD | BPF_B | BPF_IND, 1);
  out_.op(BPF_ALU | BPF_LSH | BPF_K, 2);
  out_.land(size);
  out_.op(BPF_ALU | BPF_ADD | BPF_K, kExtension);
  out_.op(BPF_ALU | BPF_ADD | BPF_X);
  out_.op(BPF_ST, kBehind);
  out_.op(BPF_LD | BPF_B | BPF_IND, 0);
  out_.op(BPF_ST, kProtocol);
  out_.go(next);

  out_.land(fragment);
  out_.op(BPF_MISC | BPF_TXA);
  out_.op(BPF_ALU | BPF_ADD | BPF_K, kExtension);
  out_.op(BPF_ST, kBehind);
  out_.op(BPF_LD | BPF_H | BPF_IND, 2);
  const bool all = fragments_ == WalkFragments::All;
  out_.branch(BPF_JSET | BPF_K, all ? kFragment6.all : kFragment6.later, kNext, first);
  out_.go(ends.fragment);
  out_.land(first);
  out_.op(BPF_LD | BPF_B | BPF_IND, 0);
  out_.op(BPF_ST, kProtocol);
}

}  // namespace ringtap
