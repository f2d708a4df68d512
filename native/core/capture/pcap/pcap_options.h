// The options of a capture through libpcap. Separate from pcap_loop.h, which includes libpcap's header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ringtap {

struct PcapOptions {
  std::size_t memory = 0;                   // bytes, of all interfaces' buffers together
  std::uint32_t maxDelayMilliseconds = 20;  // after which a part-filled block is handed over
  std::vector<std::string> names;           // selected by name: may be libpcap devices that are no interfaces
  std::string netns;                        // the namespace in which open() is called; "": the process's
};

}  // namespace ringtap
