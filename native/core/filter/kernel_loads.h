// Offsets of a load instruction that refer to something else than the packet's bytes from its start: SKF_* in
// linux/filter.h, where they are negative. Instructions have unsigned offsets.
#pragma once

#include <cstdint>

namespace ringtap::kernel_loads {

inline constexpr auto kNetworkHeader = static_cast<std::uint32_t>(-0x100000);  // SKF_NET_OFF
inline constexpr auto kLinkHeader = static_cast<std::uint32_t>(-0x200000);     // SKF_LL_OFF
inline constexpr auto kAncillary = static_cast<std::uint32_t>(-0x1000);        // SKF_AD_OFF, which the others add to
inline constexpr std::uint32_t kProtocol = kAncillary + 0;
inline constexpr std::uint32_t kPacketType = kAncillary + 4;
inline constexpr std::uint32_t kInterfaceIndex = kAncillary + 8;
inline constexpr std::uint32_t kHardwareType = kAncillary + 28;
inline constexpr std::uint32_t kRxHash = kAncillary + 32;
inline constexpr std::uint32_t kXorX = kAncillary + 40;
inline constexpr std::uint32_t kVlanTag = kAncillary + 44;
inline constexpr std::uint32_t kVlanTagPresent = kAncillary + 48;
inline constexpr std::uint32_t kVlanTpid = kAncillary + 60;

}  // namespace ringtap::kernel_loads
