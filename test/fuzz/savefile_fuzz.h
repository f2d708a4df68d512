// Checks for the fuzzers of both formats: packets, blocks and errors must not depend on the piece size, and the parser
// must keep its contract.
#pragma once

#include <vector>

#include "fuzz.h"
#include "support/parse_savefile.h"

// The first byte selects the piece size.
inline void parseTwice(const std::uint8_t* data, std::size_t size) {
  using support::parseInPieces;
  const std::size_t piece = std::size_t{data[0] & 0x3fu} + 1;
  const std::vector<std::uint8_t> file(data + 1, data + size);
  const support::ParseOptions whole{.piece = file.size() + 1, .blockSize = 8192, .keep = (data[0] & 0x40) != 0};
  support::ParseOptions pieces = whole;
  // Large files use larger pieces, because each call copies the bytes available so far.
  pieces.piece = file.size() < 2048 ? piece : piece * 256;
  const auto first = parseInPieces(file, whole);
  const auto second = parseInPieces(file, pieces);
  EXPECT(!first.lost && !second.lost);
  EXPECT(first.packets == second.packets);
  EXPECT(first.sections.size() == second.sections.size() && first.interfaces.size() == second.interfaces.size());
  EXPECT(first.stats.packets == second.stats.packets && first.stats.packets == first.packets.size());
  EXPECT(first.error.has_value() == second.error.has_value());
  // A block too long to buffer is skipped, and only its header and trailer are checked.
  if (first.error && first.error->code == second.error->code) {
    EXPECT(first.error->offset <= static_cast<std::int64_t>(file.size()));
  }
  for (const auto& packet : first.packets) EXPECT(packet.interface < first.interfaces.size());
}
