// The layout of blocks and records as the kernel writes them for TPACKET_V3, declared here so that packets of files can
// be read where there are no Linux headers. Fields and their names are the kernel's (linux/if_packet.h); on Linux,
// core/linux/kernel_layout.cpp compares both at compile time.
#pragma once

#include <cstdint>

namespace ringtap {

// tpacket3_hdr, without its union.
struct RecordHeader {
  std::uint32_t tp_next_offset;
  std::uint32_t tp_sec;
  std::uint32_t tp_nsec;
  std::uint32_t tp_snaplen;
  std::uint32_t tp_len;
  std::uint32_t tp_status;
  std::uint16_t tp_mac;
  std::uint16_t tp_net;
  std::uint32_t tp_rxhash;
  std::uint32_t tp_vlan_tci;
  std::uint16_t tp_vlan_tpid;
  std::uint16_t reserved;
  std::uint8_t tp_padding[8];
};
static_assert(sizeof(RecordHeader) == 48);

// sockaddr_ll
struct RecordAddress {
  std::uint16_t sll_family;
  std::uint16_t sll_protocol;  // in network byte order
  std::int32_t sll_ifindex;
  std::uint16_t sll_hatype;
  std::uint8_t sll_pkttype;
  std::uint8_t sll_halen;
  std::uint8_t sll_addr[8];
};
static_assert(sizeof(RecordAddress) == 20);

// tpacket_block_desc, with tpacket_hdr_v1 in place of its union.
struct BlockHeader {
  struct Time {
    std::uint32_t ts_sec;
    std::uint32_t ts_nsec;
  };
  std::uint32_t version;
  std::uint32_t offset_to_priv;
  std::uint32_t block_status;
  std::uint32_t num_pkts;
  std::uint32_t offset_to_first_pkt;
  std::uint32_t blk_len;
  alignas(8) std::uint64_t seq_num;
  Time ts_first_pkt;
  Time ts_last_pkt;
};
static_assert(sizeof(BlockHeader) == 48);

// sll_family of a packet socket's address: AF_PACKET.
inline constexpr std::uint16_t kPacketFamily = 17;

// Values of sll_pkttype: PACKET_HOST and so on.
inline constexpr std::uint8_t kPacketHost = 0;
inline constexpr std::uint8_t kPacketBroadcast = 1;
inline constexpr std::uint8_t kPacketMulticast = 2;
inline constexpr std::uint8_t kPacketOtherHost = 3;
inline constexpr std::uint8_t kPacketOutgoing = 4;
// In addition to the kernel's, for sources that do not report whether an incoming packet was addressed to the host
// (kPacketIncoming), or do not report the direction (kPacketUnknown).
inline constexpr std::uint8_t kPacketIncoming = 0xfe;
inline constexpr std::uint8_t kPacketUnknown = 0xff;

// Bits of tp_status: TP_STATUS_USER and so on.
inline constexpr std::uint32_t kStatusUser = 1u << 0;
inline constexpr std::uint32_t kStatusChecksumNotReady = 1u << 3;
inline constexpr std::uint32_t kStatusVlanValid = 1u << 4;
inline constexpr std::uint32_t kStatusVlanTpidValid = 1u << 6;
inline constexpr std::uint32_t kStatusChecksumValid = 1u << 7;
inline constexpr std::uint32_t kStatusTimeSoftware = 1u << 29;
inline constexpr std::uint32_t kStatusTimeSystemHardware = 1u << 30;
inline constexpr std::uint32_t kStatusTimeRawHardware = 1u << 31;
// Bits that the kernel does not use.
// The link type cannot be derived from the hardware type (sll_hatype); it is in tp_rxhash, which the kernel fills only
// on request (TP_FT_REQ_FILL_RXHASH).
inline constexpr std::uint32_t kStatusLinkType = 1u << 24;
// Options of pcapng follow the packet's bytes, at the next multiple of four: their number, then for each its length
// (the lower 16 bits) and its code (the upper ones; 1 is a comment), and its bytes, padded to four.
inline constexpr std::uint32_t kStatusOptions = 1u << 25;

}  // namespace ringtap
