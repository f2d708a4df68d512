#include "core/util/link_type.h"

#include <pcap/dlt.h>

#include <array>
#include <iterator>

namespace ringtap {

namespace {

struct Known {
  std::uint16_t hardwareType;
  std::uint16_t linkType;
};

constexpr Known kKnown[] = {
    {hardware_type::kEthernet, kLinkTypeEthernet},
    {hardware_type::kLoopback, kLinkTypeEthernet},
    // Devices without a link header: tun, WireGuard, rmnet, ipip, sit, gre and their IPv6 variants.
    {hardware_type::kNone, kLinkTypeRaw},
    {hardware_type::kRawIp, kLinkTypeRaw},
    {hardware_type::kTunnel, kLinkTypeRaw},
    {hardware_type::kTunnel6, kLinkTypeRaw},
    {hardware_type::kSit, kLinkTypeRaw},
    {hardware_type::kIpGre, kLinkTypeRaw},
    {hardware_type::kIp6Gre, kLinkTypeRaw},
    // The kernel removes the PPP header before packet sockets receive the packet.
    {hardware_type::kPpp, kLinkTypeRaw},
    {hardware_type::kWireless, kLinkTypeWireless},
    {hardware_type::kPrism, kLinkTypePrism},
    {hardware_type::kRadiotap, kLinkTypeRadiotap},
};

constexpr auto kHardwareTypes = [] {
  std::array<std::uint16_t, std::size(kKnown)> types{};
  for (std::size_t i = 0; i < types.size(); ++i) types[i] = kKnown[i].hardwareType;
  return types;
}();

}  // namespace

std::uint16_t linkTypeOf(std::uint16_t hardwareType) {
  for (const Known& known : kKnown) {
    if (known.hardwareType == hardwareType) return known.linkType;
  }
  return kLinkTypeUnknown;
}

std::span<const std::uint16_t> knownHardwareTypes() { return kHardwareTypes; }

std::vector<std::uint16_t> hardwareTypesOf(std::uint16_t linkType) {
  std::vector<std::uint16_t> types;
  for (const Known& known : kKnown) {
    if (known.linkType == linkType) types.push_back(known.hardwareType);
  }
  return types;
}

std::uint8_t linkTypeOrdinal(std::uint16_t linkType) {
  constexpr std::uint16_t kOrder[] = {kLinkTypeEthernet, kLinkTypeRaw, kLinkTypeWireless, kLinkTypePrism,
                                      kLinkTypeRadiotap};
  for (std::size_t i = 0; i < std::size(kOrder); ++i) {
    if (kOrder[i] == linkType) return static_cast<std::uint8_t>(i + 1);
  }
  return 0;
}

namespace {

// All link types whose DLT_ and LINKTYPE_ values differ (libpcap, pcap-common.c).
constexpr struct {
  std::uint16_t linkType;
  int dlt;
} kDifferent[] = {
    {100, DLT_ATM_RFC1483}, {kLinkTypeRaw, DLT_RAW}, {102, DLT_SLIP_BSDOS}, {103, DLT_PPP_BSDOS}, {106, DLT_ATM_CLIP},
};
// OpenBSD's DLT_RAW. Linux has no DLT_ of this number.
constexpr std::uint16_t kOpenBsdRaw = 14;

}  // namespace

int dltOf(std::uint16_t linkType) {
  for (const auto& [known, dlt] : kDifferent) {
    if (known == linkType) return dlt;
  }
  return linkType;
}

std::uint16_t linkTypeOfDlt(int dlt) {
  for (const auto& [linkType, known] : kDifferent) {
    if (known == dlt) return linkType;
  }
  return static_cast<std::uint16_t>(dlt);
}

std::uint16_t linkTypeOfFile(std::uint16_t value) { return value == kOpenBsdRaw ? kLinkTypeRaw : linkTypeOfDlt(value); }

}  // namespace ringtap
