// gzip and zstd, recognised by their first bytes and unpacked as they are read, with the process's own zlib or the
// system's, and the system's libzstd: neither is needed to build, or to read what is not packed.
#pragma once

#include <memory>
#include <optional>

#include "core/savefile/byte_source.h"
#include "core/util/result.h"

namespace ringtap {

enum class Packing { None, Gzip, Zstd };

// By what the source begins with; nothing of it is taken.
Result<Packing> packingOf(CountedSource& source);

// What `source` unpacks to: several gzip members or zstd frames after one another are one. Memory stays within some
// 100 KiB, and zstd's window, of which kLargestWindow is the bound.
//
// Everything in front of damage is given before the error: FileDamaged, or FileTruncated; their offsets are in what it
// unpacks to. FileFormat where the library is missing, or the window too large.
Result<std::unique_ptr<ByteSource>> unpack(CountedSource& source, Packing packing);

inline constexpr unsigned kLargestWindowLog = 23;  // 8 MiB, what every zstd decoder is asked to support (RFC 8878)

}  // namespace ringtap
