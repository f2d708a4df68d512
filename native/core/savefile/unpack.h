// Decompresses gzip and zstd while reading; the format is detected by the first bytes. codecs.h says where zlib and
// zstd come from.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "core/savefile/byte_source.h"
#include "core/savefile/packing.h"
#include "core/util/result.h"

namespace ringtap {

// Detects the packing by the source's first bytes, which are not consumed.
Result<Packing> packingOf(CountedSource& source);

// Returns the unpacked bytes of `source`. Consecutive gzip members or zstd frames are concatenated. Memory use is about
// 100 KiB plus zstd's window, at most 2^kLargestWindowLog bytes.
//
// All bytes before damage are returned before the error. FileDamaged, FileTruncated: the offset refers to the unpacked
// bytes. FileFormat: the library is missing, or the window is too large.
Result<std::unique_ptr<ByteSource>> unpack(CountedSource& source, Packing packing);

// Unpacks what a Packer made of into.size() bytes. Errors as above.
Result<> unpack(std::span<const std::byte> packed, Packing packing, std::span<std::byte> into);

inline constexpr unsigned kLargestWindowLog = 23;  // 8 MiB, which RFC 8878 recommends that decoders support

}  // namespace ringtap
