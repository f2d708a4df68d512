// Slices in user space.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "core/bpf/slice.h"

namespace ringtap {

inline constexpr std::uint32_t kWholePacket = std::numeric_limits<std::uint32_t>::max();

// The number of bytes that the slice has of a packet, which may be more than there are; kWholePacket also if the packet
// was cut too short to measure its headers.
[[nodiscard]] std::uint32_t sliceLength(Slice slice, std::uint16_t linkType, std::span<const std::uint8_t> bytes,
                                        std::uint32_t originalLength);

}  // namespace ringtap
