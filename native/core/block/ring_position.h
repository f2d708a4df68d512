// Points in the stream of blocks that the rings of a capture hand over.
#pragma once

#include <cstdint>
#include <vector>

namespace ringtap {

// A block: the ring it comes from, and its 1-based number among that ring's blocks.
struct BlockNumber {
  std::uint32_t ring = 0;
  std::uint64_t number = 0;
};

// For each ring, the number of a block.
using RingPosition = std::vector<std::uint64_t>;

// Whether the block stands before the position or at it. A ring without an entry has no block before it.
[[nodiscard]] inline bool isBefore(const RingPosition& position, BlockNumber block) {
  return block.ring < position.size() && block.number <= position[block.ring];
}

// A moment between packets. Blocks after `position` hold only packets from after it; in the others the packets' own
// time decides: those stamped up to `time` (nanoseconds since 1970, the clock of the packets) are from before it. So a
// clock that is set only matters for what was in the rings just then. The default lies before every packet.
struct Moment {
  std::uint64_t time = 0;
  RingPosition position = {};

  [[nodiscard]] bool isBehind(BlockNumber block, std::uint64_t timestamp) const {
    return !isBefore(position, block) || timestamp > time;
  }
};

}  // namespace ringtap
