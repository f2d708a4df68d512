// The comments behind a packet's bytes in a record that has some (kStatusComments, block.h).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/block/block.h"

namespace ringtap {

// None where the record has none, and none that does not lie before `end`.
[[nodiscard]] std::vector<std::string> commentsOf(const Record& record, const std::byte* end);

}  // namespace ringtap
