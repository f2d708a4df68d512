// Blocks beside packets on their way from one file into another, which is in this machine's byte order.
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

// The block as the other file is to have it. Nothing where it is broken, or of the other byte order and has numbers at
// places that are not known: name resolution and decryption secrets are known but for options that somebody else
// defined, custom blocks are not. Custom blocks that forbid to be copied are not.
[[nodiscard]] std::optional<PassthroughBlock> passThrough(const FileBlock& block);

}  // namespace ringtap
