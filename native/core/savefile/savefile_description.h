// Converts an interface description that was read to one that can be written.
#pragma once

#include "core/savefile/savefile_blocks.h"
#include "core/savefile/savefile_parser.h"

namespace ringtap {

// `bigEndian`: the byte order of the section that describes the interface.
[[nodiscard]] SavefileInterface describe(const FileInterface& interface, bool bigEndian);

}  // namespace ringtap
