// How a savefile is compressed.
#pragma once

#include <cstdint>

namespace ringtap {

enum class Packing : std::uint8_t { None, Gzip, Zstd };

}  // namespace ringtap
