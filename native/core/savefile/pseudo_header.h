// Pseudo-headers that the capturing kernel writes in host byte order. They have to be converted if the file comes from
// a machine of the other byte order.
#pragma once

#include <cstdint>
#include <span>

namespace ringtap {

// Whether packets of this LINKTYPE_ can begin with such a header.
[[nodiscard]] bool hasHostOrderHeader(std::uint16_t linkType);

// Converts the header in place, as libpcap does for the same link types (pcap-util.c): USB, NFLOG, PFLOG, and CAN in
// Linux cooked captures. Fields that are not completely within `data`, or within the `original` length, are not
// changed.
void swapPseudoHeader(std::uint16_t linkType, std::span<std::uint8_t> data, std::uint32_t original);

}  // namespace ringtap
