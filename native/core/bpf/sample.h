// Sampling by flow: of all flows the capture takes only a share, which a hash of each packet's flow decides, so that
// the packets of a flow are all taken or all refused, in both directions and by every capture with the same seed.
//
// What identifies a flow: the addresses of the outermost IP header, the protocol, and with TCP, UDP and SCTP the ports.
// A fragment counts as having no ports, and so does the first one, so that all fragments of a packet agree; the
// protocol of IPv6 fragments is that of the fragment header, 44. Packets that are not IP are always taken.
//
// The hash is part of the interface: docs/guides/sampling.md specifies it, with test vectors, for other programs.
#pragma once

#include <cstdint>

namespace ringtap {

struct Sample {
  std::uint32_t below = 0;  // flows whose hash is less than this are taken; > 0
  std::uint32_t seed = 0;
  bool operator==(const Sample&) const = default;
};

}  // namespace ringtap
