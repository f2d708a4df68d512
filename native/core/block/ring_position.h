// Positions in the stream of blocks that a capture's rings return.
#pragma once

#include <cstdint>
#include <vector>

namespace ringtap {

// Identifies a block: its ring, and its number among that ring's blocks, counted from 1.
struct BlockNumber {
  std::uint32_t ring = 0;
  std::uint64_t number = 0;
};

// For each ring, the number of a block.
using RingPosition = std::vector<std::uint64_t>;

// Whether the block's number is at or below the position's. For a ring without an entry: false.
[[nodiscard]] inline bool isBefore(const RingPosition& position, BlockNumber block) {
  return block.ring < position.size() && block.number <= position[block.ring];
}

// A point in time between packets. Blocks after `position` contain only later packets. In the other blocks the packet's
// timestamp decides: those up to `time` (nanoseconds since 1970, the clock of the packets) are earlier. A clock step
// therefore affects only packets that were in the rings at that moment. The default is before every packet.
struct Moment {
  std::uint64_t time = 0;
  RingPosition position = {};

  [[nodiscard]] bool isBehind(BlockNumber block, std::uint64_t timestamp) const {
    return !isBefore(position, block) || timestamp > time;
  }
};

}  // namespace ringtap
