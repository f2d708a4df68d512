// Maps the kernel's device types (ARPHRD_*, linux/if_arp.h) to link types (https://www.tcpdump.org/linktypes.html).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ringtap {

inline constexpr std::uint16_t kLinkTypeEthernet = 1;
inline constexpr std::uint16_t kLinkTypeRaw = 101;
inline constexpr std::uint16_t kLinkTypeWireless = 105;  // IEEE 802.11 without, or with one of the following headers
inline constexpr std::uint16_t kLinkTypePrism = 119;
inline constexpr std::uint16_t kLinkTypeRadiotap = 127;
// No link type describes the headers of the device's packets.
inline constexpr std::uint16_t kLinkTypeUnknown = 0xffff;

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
