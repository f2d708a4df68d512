// Copies blocks other than packets from one pcapng file to another, which is in this machine's byte order.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/savefile/savefile_parser.h"

namespace ringtap {

struct PassthroughBlock {
  std::uint32_t type = 0;
  std::vector<std::uint8_t> body;
  bool operator==(const PassthroughBlock&) const = default;
};

// Returns a name resolution, decryption secrets or custom block in this machine's byte order. Returns nothing for other
// types, for a damaged block, for a custom block that must not be copied, and for a block in the other byte order with
// parts of unknown layout: the body of a custom block, and options that private enterprises define.
[[nodiscard]] std::optional<PassthroughBlock> passThrough(const FileBlock& block);

}  // namespace ringtap
