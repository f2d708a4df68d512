// An owning libpcap handle.
#pragma once

#include <pcap/pcap.h>

#include <memory>

namespace ringtap {

struct PcapCloser {
  void operator()(pcap_t* handle) const { pcap_close(handle); }
};
using PcapHandle = std::unique_ptr<pcap_t, PcapCloser>;

}  // namespace ringtap
