#include "core/link_type.h"

#include <linux/if_arp.h>
#include <pcap/dlt.h>

namespace ringtap {

std::uint16_t linkTypeOf(std::uint16_t hardwareType) {
  switch (hardwareType) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK: return kLinkTypeEthernet;
    // Devices without a link header: tun, WireGuard, rmnet, ipip, sit, gre and their IPv6 kin.
    case ARPHRD_NONE:
    case 519:  // ARPHRD_RAWIP, Linux 4.20
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
    case ARPHRD_PPP:  // the kernel takes the PPP header off before packet sockets see the packet
      return kLinkTypeRaw;
    case ARPHRD_IEEE80211: return 105;
    case ARPHRD_IEEE80211_PRISM: return 119;
    case ARPHRD_IEEE80211_RADIOTAP: return 127;
    default: return kLinkTypeUnknown;
  }
}

int dltOf(std::uint16_t linkType) { return linkType == kLinkTypeRaw ? DLT_RAW : linkType; }

}  // namespace ringtap
