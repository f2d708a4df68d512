// Flow cut-off: of each connection only the first packets reach the ring. The rest is refused in the kernel's filter,
// in eBPF mode only.
//
// A connection is that of connection_locator.h. Its packets pass until so many bytes, or so many packets, have passed;
// packets of TCP with SYN, FIN or RST always pass. Without `dedupe` each interface has its own count of a connection,
// so that of a packet which crosses several interfaces all sightings pass, or none. Later fragments belong to the
// connection of the first one, if that came before them and was not forgotten; packets without a connection pass.
#pragma once

#include <cstdint>

namespace ringtap {

struct CutoffOptions {
  // 0: no limit. Bytes are those of the packets as they were on the wire.
  std::uint64_t bytes = 0;
  std::uint64_t packets = 0;
  std::uint64_t idleNanoseconds = 0;  // a connection without packets for longer begins again
  std::uint32_t flows = 0;            // how many are remembered: of more, the one seen longest ago is forgotten
};

// What marks one connection. Normal: as the limits say.
enum class CutoffMark : std::uint32_t { Normal, Bypass, Keep };

}  // namespace ringtap
