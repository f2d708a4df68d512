// Compares what the portable half of the core declares itself with the kernel's headers, at compile time.
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cstddef>

#include "core/block/record_layout.h"
#include "core/filter/filter_instruction.h"
#include "core/filter/kernel_loads.h"
#include "core/util/link_type.h"

namespace ringtap {

#define RINGTAP_SAME(ours, our, theirs, their)                   \
  static_assert(offsetof(ours, our) == offsetof(theirs, their)); \
  static_assert(sizeof(ours::our) == sizeof(theirs::their))

static_assert(sizeof(RecordHeader) == sizeof(tpacket3_hdr) && alignof(RecordHeader) == alignof(tpacket3_hdr));
RINGTAP_SAME(RecordHeader, tp_next_offset, tpacket3_hdr, tp_next_offset);
RINGTAP_SAME(RecordHeader, tp_sec, tpacket3_hdr, tp_sec);
RINGTAP_SAME(RecordHeader, tp_nsec, tpacket3_hdr, tp_nsec);
RINGTAP_SAME(RecordHeader, tp_snaplen, tpacket3_hdr, tp_snaplen);
RINGTAP_SAME(RecordHeader, tp_len, tpacket3_hdr, tp_len);
RINGTAP_SAME(RecordHeader, tp_status, tpacket3_hdr, tp_status);
RINGTAP_SAME(RecordHeader, tp_mac, tpacket3_hdr, tp_mac);
RINGTAP_SAME(RecordHeader, tp_net, tpacket3_hdr, tp_net);
RINGTAP_SAME(RecordHeader, tp_rxhash, tpacket3_hdr, hv1.tp_rxhash);
RINGTAP_SAME(RecordHeader, tp_vlan_tci, tpacket3_hdr, hv1.tp_vlan_tci);
RINGTAP_SAME(RecordHeader, tp_vlan_tpid, tpacket3_hdr, hv1.tp_vlan_tpid);
RINGTAP_SAME(RecordHeader, tp_padding, tpacket3_hdr, tp_padding);

static_assert(sizeof(RecordAddress) == sizeof(sockaddr_ll) && alignof(RecordAddress) == alignof(sockaddr_ll));
static_assert(sizeof(RecordHeader) == TPACKET_ALIGN(sizeof(tpacket3_hdr)));  // where the address follows
RINGTAP_SAME(RecordAddress, sll_family, sockaddr_ll, sll_family);
RINGTAP_SAME(RecordAddress, sll_protocol, sockaddr_ll, sll_protocol);
RINGTAP_SAME(RecordAddress, sll_ifindex, sockaddr_ll, sll_ifindex);
RINGTAP_SAME(RecordAddress, sll_hatype, sockaddr_ll, sll_hatype);
RINGTAP_SAME(RecordAddress, sll_pkttype, sockaddr_ll, sll_pkttype);
RINGTAP_SAME(RecordAddress, sll_halen, sockaddr_ll, sll_halen);
RINGTAP_SAME(RecordAddress, sll_addr, sockaddr_ll, sll_addr);

static_assert(sizeof(BlockHeader) == sizeof(tpacket_block_desc) && alignof(BlockHeader) == alignof(tpacket_block_desc));
RINGTAP_SAME(BlockHeader, version, tpacket_block_desc, version);
RINGTAP_SAME(BlockHeader, offset_to_priv, tpacket_block_desc, offset_to_priv);
RINGTAP_SAME(BlockHeader, block_status, tpacket_block_desc, hdr.bh1.block_status);
RINGTAP_SAME(BlockHeader, num_pkts, tpacket_block_desc, hdr.bh1.num_pkts);
RINGTAP_SAME(BlockHeader, offset_to_first_pkt, tpacket_block_desc, hdr.bh1.offset_to_first_pkt);
RINGTAP_SAME(BlockHeader, blk_len, tpacket_block_desc, hdr.bh1.blk_len);
RINGTAP_SAME(BlockHeader, seq_num, tpacket_block_desc, hdr.bh1.seq_num);
RINGTAP_SAME(BlockHeader, ts_first_pkt, tpacket_block_desc, hdr.bh1.ts_first_pkt);
RINGTAP_SAME(BlockHeader, ts_last_pkt, tpacket_block_desc, hdr.bh1.ts_last_pkt);
#undef RINGTAP_SAME

static_assert(kPacketFamily == AF_PACKET);
static_assert(kPacketHost == PACKET_HOST && kPacketBroadcast == PACKET_BROADCAST);
static_assert(kPacketMulticast == PACKET_MULTICAST && kPacketOtherHost == PACKET_OTHERHOST);
static_assert(kPacketOutgoing == PACKET_OUTGOING);

static_assert(kStatusUser == TP_STATUS_USER && kStatusChecksumNotReady == TP_STATUS_CSUMNOTREADY);
static_assert(kStatusVlanValid == TP_STATUS_VLAN_VALID && kStatusVlanTpidValid == TP_STATUS_VLAN_TPID_VALID);
static_assert(kStatusChecksumValid == TP_STATUS_CSUM_VALID && kStatusTimeSoftware == TP_STATUS_TS_SOFTWARE);
static_assert(kStatusTimeSystemHardware == TP_STATUS_TS_SYS_HARDWARE);
static_assert(kStatusTimeRawHardware == TP_STATUS_TS_RAW_HARDWARE);

static_assert(sizeof(FilterInstruction) == sizeof(sock_filter) && kMaxFilterInstructions == BPF_MAXINSNS);
constexpr bool isLoad(std::uint32_t ours, int theirs) { return ours == static_cast<std::uint32_t>(theirs); }
static_assert(isLoad(kernel_loads::kNetworkHeader, SKF_NET_OFF) && isLoad(kernel_loads::kLinkHeader, SKF_LL_OFF));
static_assert(isLoad(kernel_loads::kAncillary, SKF_AD_OFF));
static_assert(isLoad(kernel_loads::kProtocol, SKF_AD_OFF + SKF_AD_PROTOCOL));
static_assert(isLoad(kernel_loads::kPacketType, SKF_AD_OFF + SKF_AD_PKTTYPE));
static_assert(isLoad(kernel_loads::kInterfaceIndex, SKF_AD_OFF + SKF_AD_IFINDEX));
static_assert(isLoad(kernel_loads::kHardwareType, SKF_AD_OFF + SKF_AD_HATYPE));
static_assert(isLoad(kernel_loads::kRxHash, SKF_AD_OFF + SKF_AD_RXHASH));
static_assert(isLoad(kernel_loads::kXorX, SKF_AD_OFF + SKF_AD_ALU_XOR_X));
static_assert(isLoad(kernel_loads::kVlanTag, SKF_AD_OFF + SKF_AD_VLAN_TAG));
static_assert(isLoad(kernel_loads::kVlanTagPresent, SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
static_assert(isLoad(kernel_loads::kVlanTpid, SKF_AD_OFF + SKF_AD_VLAN_TPID));

static_assert(hardware_type::kEthernet == ARPHRD_ETHER && hardware_type::kLoopback == ARPHRD_LOOPBACK);
static_assert(hardware_type::kNone == ARPHRD_NONE && hardware_type::kVoid == ARPHRD_VOID);
static_assert(hardware_type::kTunnel == ARPHRD_TUNNEL && hardware_type::kTunnel6 == ARPHRD_TUNNEL6);
static_assert(hardware_type::kSit == ARPHRD_SIT && hardware_type::kPpp == ARPHRD_PPP);
static_assert(hardware_type::kIpGre == ARPHRD_IPGRE && hardware_type::kIp6Gre == ARPHRD_IP6GRE);
static_assert(hardware_type::kWireless == ARPHRD_IEEE80211 && hardware_type::kPrism == ARPHRD_IEEE80211_PRISM);
static_assert(hardware_type::kRadiotap == ARPHRD_IEEE80211_RADIOTAP);

}  // namespace ringtap
