// Memory that is kept to be used again: to map and unmap a megabyte costs as much as to fill it.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include "core/block/block_bytes.h"

namespace ringtap {

class SpareMemory {
 public:
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  // `piece` is not empty.
  void put(BlockBytes piece) {
    bytes_ += piece.size();
    pieces_.push_back(std::move(piece));
  }
  // Returns the smallest piece of such a size, or nothing; of several the one put last, which the processor's caches
  // may still hold.
  [[nodiscard]] BlockBytes take(std::size_t minSize, std::size_t maxSize) {
    auto found = pieces_.rend();
    for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece) {
      if (piece->size() < minSize || piece->size() > maxSize) continue;
      if (found == pieces_.rend() || piece->size() < found->size()) found = piece;
    }
    if (found == pieces_.rend()) return {};
    BlockBytes piece = std::move(*found);
    bytes_ -= piece.size();
    pieces_.erase(std::next(found).base());
    return piece;
  }
  // Frees the pieces put first, until all take `maxBytes` at most, but not the last `kept` ones.
  void trim(std::size_t maxBytes, std::size_t kept = 0) {
    auto end = pieces_.begin();
    while (bytes_ > maxBytes && static_cast<std::size_t>(pieces_.end() - end) > kept) bytes_ -= (end++)->size();
    pieces_.erase(pieces_.begin(), end);
  }

 private:
  std::vector<BlockBytes> pieces_;
  std::size_t bytes_ = 0;
};

}  // namespace ringtap
