// Blocks other than packets that are copied from one file into another, which is in this machine's byte order.
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

// The block in this machine's byte order. Nothing if it is damaged, if it is a custom block that must not be copied, or
// if it is in the other byte order and its layout is not known: that of custom blocks, and of options that private
// enterprises define in name resolution and decryption secrets blocks, is not.
[[nodiscard]] std::optional<PassthroughBlock> passThrough(const FileBlock& block);

}  // namespace ringtap
