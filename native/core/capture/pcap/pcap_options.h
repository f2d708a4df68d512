// The options of a capture through libpcap. Not in pcap_loop.h, which includes libpcap's header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ringtap {

struct PcapOptions {
  std::size_t memory = 0;                   // bytes, of all interfaces' buffers together
  std::uint32_t maxDelayMilliseconds = 20;  // after which a part-filled block is handed over
  std::vector<std::string> names;           // asked for by name: what is no interface may be a device of libpcap
  std::string netns;                        // the namespace that open() is called in, where it is not the process's
};

}  // namespace ringtap
