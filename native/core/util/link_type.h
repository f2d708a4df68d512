// Maps the kernel's device types (ARPHRD_*, linux/if_arp.h) to link types (https://www.tcpdump.org/linktypes.html).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ringtap {

inline constexpr std::uint16_t kLinkTypeEthernet = 1;
inline constexpr std::uint16_t kLinkTypeRaw = 101;
inline constexpr std::uint16_t kLinkTypeWireless = 105;  // IEEE 802.11 without, or with one of the following headers
inline constexpr std::uint16_t kLinkTypeLinuxSll = 113;  // cooked
inline constexpr std::uint16_t kLinkTypePrism = 119;
inline constexpr std::uint16_t kLinkTypeRadiotap = 127;
inline constexpr std::uint16_t kLinkTypeIpv4 = 228;  // raw IP of one version
inline constexpr std::uint16_t kLinkTypeIpv6 = 229;
inline constexpr std::uint16_t kLinkTypeLinuxSll2 = 276;
// No link type describes the headers of the device's packets.
inline constexpr std::uint16_t kLinkTypeUnknown = 0xffff;

// The ARPHRD_* that have a link type, and ARPHRD_VOID: the type is not known.
namespace hardware_type {
inline constexpr std::uint16_t kEthernet = 1;
inline constexpr std::uint16_t kPpp = 512;
inline constexpr std::uint16_t kRawIp = 519;  // since Linux 4.20
inline constexpr std::uint16_t kTunnel = 768;
inline constexpr std::uint16_t kTunnel6 = 769;
inline constexpr std::uint16_t kLoopback = 772;
inline constexpr std::uint16_t kSit = 776;
inline constexpr std::uint16_t kIpGre = 778;
inline constexpr std::uint16_t kWireless = 801;
inline constexpr std::uint16_t kPrism = 802;
inline constexpr std::uint16_t kRadiotap = 803;
inline constexpr std::uint16_t kIp6Gre = 823;
inline constexpr std::uint16_t kNone = 0xfffe;
inline constexpr std::uint16_t kVoid = 0xffff;
}  // namespace hardware_type

// The LINKTYPE_ value of packets that a SOCK_RAW packet socket receives from a device of this ARPHRD_ type.
[[nodiscard]] std::uint16_t linkTypeOf(std::uint16_t hardwareType);

// All ARPHRD_ types that linkTypeOf() maps.
[[nodiscard]] std::span<const std::uint16_t> knownHardwareTypes();

// The ARPHRD_ types whose packets are of this link type.
[[nodiscard]] std::vector<std::uint16_t> hardwareTypesOf(std::uint16_t linkType);

// Numbers the link types that linkTypeOf() can return, from 1; 0 for any other link type.
[[nodiscard]] std::uint8_t linkTypeOrdinal(std::uint16_t linkType);

// libpcap's DLT_ value for a LINKTYPE_ value. The two differ for raw IP (DLT_ 12, LINKTYPE_ 101) and for four others
// whose DLT_ values depend on the system.
[[nodiscard]] int dltOf(std::uint16_t linkType);
// The reverse.
[[nodiscard]] std::uint16_t linkTypeOfDlt(int dlt);
// The LINKTYPE_ value for the link type field of a file: old writers stored their system's DLT_ value there.
[[nodiscard]] std::uint16_t linkTypeOfFile(std::uint16_t value);

// LINKTYPE_USER0 to USER15: for private use. libpcap has no names for them.
[[nodiscard]] constexpr bool isUserLinkType(std::uint16_t linkType) { return linkType >= 147 && linkType <= 162; }

}  // namespace ringtap
