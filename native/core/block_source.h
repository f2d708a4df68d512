// Where blocks of packets (block.h) come from, one after another, for a thread that works through them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/result.h"

namespace ringtap {

struct SourceBlock {
  std::byte* memory = nullptr;  // null: there are no more
  std::uint32_t packets = 0;    // in its index
  std::size_t length = 0;       // bytes, to the end of the last packet and its comments
};

class BlockSource {
 public:
  virtual ~BlockSource() = default;
  // The next block, which stays until the next call. May wait.
  [[nodiscard]] virtual Result<SourceBlock> next() = 0;
  // From any thread: ends a next() that waits, and all later ones.
  virtual void shut() = 0;
};

}  // namespace ringtap
