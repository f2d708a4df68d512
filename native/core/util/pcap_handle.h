// The one owner of a libpcap handle.
#pragma once

#include <pcap/pcap.h>

#include <memory>

namespace ringtap {

struct PcapCloser {
  void operator()(pcap_t* handle) const { pcap_close(handle); }
};
using PcapHandle = std::unique_ptr<pcap_t, PcapCloser>;

// For pcap_set_protocol_linux(): an EtherType set apart for local experiments (IEEE 802). A packet socket that was
// bound to it by pcap_activate() receives next to nothing until it is bound anew.
inline constexpr int kQuietProtocol = 0x88b5;

}  // namespace ringtap
