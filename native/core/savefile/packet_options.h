// The comments stored after a packet's bytes, in records with kStatusComments (block.h).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/block/block.h"

namespace ringtap {

// Empty if the record has no comments. Comments that extend beyond `end` are left out.
[[nodiscard]] std::vector<std::string> commentsOf(const Record& record, const std::byte* end);

}  // namespace ringtap
