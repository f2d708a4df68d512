// Rewrites a pcapng section so that a compressor makes less of it, and restores it to the byte.
//
// The headers of each packet of IP are stored as differences from those of the previous packet of the same flow and
// direction, byte by byte: most are 0, or the same for long. They are ordered by their place in the packet, not by
// packet, so that equal ones lie beside each other. What the block says of the packet is treated likewise: times become
// differences from the previous packet's, lengths, interface and options are stored where they differ. Payload, and
// blocks that are no packets, are stored as they are, and so is whatever is not a sequence of blocks.
//
// Nothing refers to anything outside the section. The form is for memory, not for files: it depends on the byte order.
#pragma once

#include <cstddef>
#include <span>

#include "core/savefile/byte_sink.h"
#include "core/util/result.h"

namespace ringtap {

// Replaces the content of `out`. The result is at most a twelfth and 64 bytes longer than the section; the work takes
// 256 KiB, one byte for each block and three for each packet. Code::System: there is no memory. A section of 4 GiB or
// more is refused, with Code::Option.
Result<> deltaEncode(std::span<const std::byte> section, ByteSink& out);

// Restores a section into memory of its exact length. Code::FileDamaged: `encoded` was not made by deltaEncode() of a
// section of this length; some of `section` is overwritten then.
Result<> deltaDecode(std::span<const std::byte> encoded, std::span<std::byte> section);

}  // namespace ringtap
