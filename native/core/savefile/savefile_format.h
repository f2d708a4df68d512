// Constants and layouts of the two savefile formats, for readers and writers.
//
// pcap: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html; pcapng: draft-ietf-opsawg-pcapng. All numbers
// are in the byte order of the machine that wrote the file (pcapng: the section).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringtap::savefile {

// The most bytes stored of a packet: Wireshark and libpcap reject records that claim more.
inline constexpr std::uint32_t kMaxCaptured = 262'144;

// pcap: a file header, then records.
inline constexpr std::uint32_t kMagicMicroseconds = 0xa1b2c3d4;
inline constexpr std::uint32_t kMagicNanoseconds = 0xa1b23c4d;
// Alexey Kuznetsov's variant, written by old Red Hat systems. Its record header includes the packet type.
inline constexpr std::uint32_t kMagicKuznetsov = 0xa1b2cd34;
inline constexpr std::uint16_t kPcapMajor = 2;
inline constexpr std::uint16_t kPcapMinor = 4;
inline constexpr std::size_t kPcapHeader = 24;  // magic, major, minor, 8 bytes unused, snapshot length, link type
inline constexpr std::size_t kPcapRecord = 16;  // seconds, fraction, captured length, original length
inline constexpr std::size_t kPcapKuznetsovRecord = 24;  // then interface index, protocol, packet type (sll_pkttype)
// The link type field: 16 bits of LINKTYPE_ and, if kFcsPresent is set, the FCS length in units of 16 bits.
inline constexpr std::uint32_t kLinkTypeMask = 0x0000'ffff;
inline constexpr std::uint32_t kLinkTypeReserved = 0x03ff'0000;  // must be 0; libpcap and Wireshark reject other values
inline constexpr std::uint32_t kFcsPresent = 0x0400'0000;
inline constexpr unsigned kFcsShift = 28;

// pcapng: blocks, each with a type, its total length, a body, and the total length again. The length is a multiple of
// four bytes.
inline constexpr std::uint32_t kSectionHeader = 0x0a0d'0d0a;  // the same in both byte orders
inline constexpr std::uint32_t kByteOrderMagic = 0x1a2b'3c4d;
inline constexpr std::uint16_t kPcapngMajor = 1;
inline constexpr std::uint16_t kPcapngMinor = 0;
inline constexpr std::uint64_t kSectionLengthUnknown = ~std::uint64_t{0};
inline constexpr std::uint32_t kInterfaceDescription = 1;
inline constexpr std::uint32_t kObsoletePacket = 2;
inline constexpr std::uint32_t kSimplePacket = 3;
inline constexpr std::uint32_t kNameResolution = 4;
inline constexpr std::uint32_t kInterfaceStatistics = 5;
inline constexpr std::uint32_t kEnhancedPacket = 6;
inline constexpr std::uint32_t kDecryptionSecrets = 0x0a;
inline constexpr std::uint32_t kTlsKeyLog = 0x544c'534b;   // the type of decryption secrets: a key log in NSS's format
inline constexpr std::uint32_t kCustom = 0x0bad;           // may be copied by programs that do not support its content
inline constexpr std::uint32_t kCustomOnce = 0x4000'0bad;  // must not be copied by them

inline constexpr std::size_t kBlockEnvelope = 12;       // type, length, length
inline constexpr std::size_t kSectionHeaderFixed = 28;  // with the envelope, without options, like the next ones
inline constexpr std::size_t kInterfaceDescriptionFixed = 20;
inline constexpr std::size_t kEnhancedPacketFixed = 32;
inline constexpr std::size_t kObsoletePacketFixed = 32;
inline constexpr std::size_t kSimplePacketFixed = 16;
inline constexpr std::size_t kEnhancedPacketData = 28;  // offset of the packet's bytes; also if obsolete
inline constexpr std::size_t kSimplePacketData = 12;

constexpr std::uint64_t padded(std::uint64_t length) { return (length + 3) / 4 * 4; }

// Options: a code, a length, the value padded to four bytes.
inline constexpr std::uint16_t kOptionEnd = 0;
inline constexpr std::uint16_t kOptionComment = 1;
namespace custom_option {  // in any block: an enterprise number, then content it defines
inline constexpr std::uint16_t kText = 2988;
inline constexpr std::uint16_t kBytes = 2989;
inline constexpr std::uint16_t kTextOnce = 19372;  // must not be copied
}  // namespace custom_option
namespace name_record {                     // in name resolution blocks, before the options and with their layout
inline constexpr std::uint16_t kEui64 = 4;  // the highest; 1 to 3 are IPv4, IPv6 and EUI-48
}  // namespace name_record
namespace name_option {
inline constexpr std::uint16_t kServerIpv6 = 4;  // the highest; 2 and 3 are the server's name and IPv4 address
}  // namespace name_option
namespace section_option {
inline constexpr std::uint16_t kHardware = 2;
inline constexpr std::uint16_t kOperatingSystem = 3;
inline constexpr std::uint16_t kApplication = 4;
}  // namespace section_option
namespace interface_option {
inline constexpr std::uint16_t kName = 2;
inline constexpr std::uint16_t kDescription = 3;
inline constexpr std::uint16_t kIpv4Address = 4;
inline constexpr std::uint16_t kIpv6Address = 5;
inline constexpr std::uint16_t kMacAddress = 6;
inline constexpr std::uint16_t kSpeed = 8;
inline constexpr std::uint16_t kTimestampResolution = 9;
inline constexpr std::uint16_t kFilter = 11;
inline constexpr std::uint16_t kTimestampOffset = 14;
}  // namespace interface_option
namespace packet_option {
inline constexpr std::uint16_t kFlags = 2;
inline constexpr std::uint16_t kHash = 3;
inline constexpr std::uint16_t kDropped = 4;
inline constexpr std::uint16_t kPacketId = 5;
inline constexpr std::uint16_t kQueue = 6;
inline constexpr std::uint16_t kVerdict = 7;
inline constexpr std::uint16_t kProcessThread = 8;
// The first byte of a verdict: who passed it. 1 is an eBPF program of tc.
inline constexpr std::uint8_t kVerdictHardware = 0;
inline constexpr std::uint8_t kVerdictXdp = 2;
}  // namespace packet_option
namespace statistics_option {
inline constexpr std::uint16_t kStartTime = 2;
inline constexpr std::uint16_t kEndTime = 3;
inline constexpr std::uint16_t kReceived = 4;
inline constexpr std::uint16_t kDropped = 5;
inline constexpr std::uint16_t kDroppedBySystem = 7;
inline constexpr std::uint16_t kDelivered = 8;
}  // namespace statistics_option

// The flags of a packet (packet_option::kFlags).
inline constexpr std::uint32_t kFlagDirection = 0x3;
inline constexpr std::uint32_t kFlagInbound = 0x1;
inline constexpr std::uint32_t kFlagOutbound = 0x2;
inline constexpr std::uint32_t kFlagReception = 0x1c;
inline constexpr std::uint32_t kFlagUnicast = 0x04;
inline constexpr std::uint32_t kFlagMulticast = 0x08;
inline constexpr std::uint32_t kFlagBroadcast = 0x0c;
inline constexpr std::uint32_t kFlagPromiscuous = 0x10;

// The fixed parts, as stored in a file of this machine's byte order.
struct PcapHeader {
  std::uint32_t magic;
  std::uint16_t major, minor;
  std::int32_t zone;       // 0
  std::uint32_t accuracy;  // 0
  std::uint32_t snapLength;
  std::uint32_t linkType;
};
struct PcapRecord {
  std::uint32_t seconds;
  std::uint32_t fraction;
  std::uint32_t captured;
  std::uint32_t original;
};
static_assert(sizeof(PcapHeader) == kPcapHeader && sizeof(PcapRecord) == kPcapRecord);
struct SectionHeaderBody {
  std::uint32_t magic;
  std::uint16_t major, minor;
  std::uint64_t length;
} __attribute__((packed));
struct InterfaceDescriptionBody {
  std::uint16_t linkType;
  std::uint16_t reserved;
  std::uint32_t snapLength;  // 0: no limit
};
struct EnhancedPacketBody {
  std::uint32_t interface;
  std::uint32_t timeHigh, timeLow;
  std::uint32_t captured;
  std::uint32_t original;
};
struct InterfaceStatisticsBody {
  std::uint32_t interface;
  std::uint32_t timeHigh, timeLow;
};
// Then the secrets, padded to four bytes.
struct DecryptionSecretsBody {
  std::uint32_t type;
  std::uint32_t length;
};
struct OptionHeader {
  std::uint16_t code;
  std::uint16_t length;
};
static_assert(sizeof(SectionHeaderBody) + kBlockEnvelope == kSectionHeaderFixed);
static_assert(sizeof(InterfaceDescriptionBody) + kBlockEnvelope == kInterfaceDescriptionFixed);
static_assert(sizeof(EnhancedPacketBody) + kBlockEnvelope == kEnhancedPacketFixed);
static_assert(sizeof(InterfaceStatisticsBody) == 12 && sizeof(OptionHeader) == 4);

}  // namespace ringtap::savefile
