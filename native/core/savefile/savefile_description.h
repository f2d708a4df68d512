// From what a file says of an interface to what another is to say of it.
#pragma once

#include "core/savefile/savefile_blocks.h"
#include "core/savefile/savefile_parser.h"

namespace ringtap {

// `bigEndian`: of the section in which the interface is described.
[[nodiscard]] SavefileInterface describe(const FileInterface& interface, bool bigEndian);

}  // namespace ringtap
