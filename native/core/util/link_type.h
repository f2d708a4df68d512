// From the kernel's device types (ARPHRD_*, linux/if_arp.h) to link types (https://www.tcpdump.org/linktypes.html).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ringtap {

inline constexpr std::uint16_t kLinkTypeEthernet = 1;
inline constexpr std::uint16_t kLinkTypeRaw = 101;
inline constexpr std::uint16_t kLinkTypeWireless = 105;  // IEEE 802.11, as it is or behind one of two headers:
inline constexpr std::uint16_t kLinkTypePrism = 119;
inline constexpr std::uint16_t kLinkTypeRadiotap = 127;
// No link type fits what the device puts in front of its packets.
inline constexpr std::uint16_t kLinkTypeUnknown = 0xffff;

// The LINKTYPE_ value of what a SOCK_RAW packet socket sees on a device of this ARPHRD_ type.
[[nodiscard]] std::uint16_t linkTypeOf(std::uint16_t hardwareType);

// Every ARPHRD_ type that has a link type here.
[[nodiscard]] std::span<const std::uint16_t> knownHardwareTypes();

// The ARPHRD_ types whose packets are of this link type.
[[nodiscard]] std::vector<std::uint16_t> hardwareTypesOf(std::uint16_t linkType);

// A small number for each link type that a device can have here, from 1; 0 for any other.
[[nodiscard]] std::uint8_t linkTypeOrdinal(std::uint16_t linkType);

// libpcap's own number (DLT_) for a LINKTYPE_ value. They differ for raw IP, which is 12 in memory and 101 in files,
// and for four others whose DLT_ values depend on the system.
[[nodiscard]] int dltOf(std::uint16_t linkType);
// The reverse.
[[nodiscard]] std::uint16_t linkTypeOfDlt(int dlt);
// The LINKTYPE_ value of what a file has in its field: old writers put their system's DLT_ there.
[[nodiscard]] std::uint16_t linkTypeOfFile(std::uint16_t value);

// LINKTYPE_USER0 to USER15: for private use. libpcap has no names for them.
[[nodiscard]] constexpr bool isUserLinkType(std::uint16_t linkType) { return linkType >= 147 && linkType <= 162; }

}  // namespace ringtap
