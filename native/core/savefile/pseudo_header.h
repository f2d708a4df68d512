// Pseudo-headers that the capturing kernel wrote in its own byte order: they have to be converted when a file comes
// from a machine of the other one.
#pragma once

#include <cstdint>
#include <span>

namespace ringtap {

// Whether packets of this LINKTYPE_ can begin with such a header.
[[nodiscard]] bool hasHostOrderHeader(std::uint16_t linkType);

// Converts the header in place, as libpcap does for the same link types (pcap-util.c): USB, NFLOG, PFLOG, and CAN in
// Linux cooked captures. Fields that are not whole within `data` or `original` stay as they are.
void swapPseudoHeader(std::uint16_t linkType, std::span<std::uint8_t> data, std::uint32_t original);

}  // namespace ringtap
