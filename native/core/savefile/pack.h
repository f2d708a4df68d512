// Compresses bytes with gzip at level 1 or zstd at level -1: the counterpart of unpack.h. codecs.h says where zlib and
// zstd come from.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "core/savefile/byte_sink.h"
#include "core/savefile/packing.h"
#include "core/util/result.h"

namespace ringtap {

// One thread at a time. About 300 KiB with gzip, 600 KiB with zstd.
class Packer {
 public:
  virtual ~Packer() = default;

  // Compresses `bytes` and appends what is complete of it to `out`.
  Result<> add(std::span<const std::byte> bytes, ByteSink& out) { return step(bytes, false, out); }
  // Appends the rest. What was added since the last end() is one gzip member, or one zstd frame; the next one begins.
  Result<> end(ByteSink& out) { return step({}, true, out); }

 protected:
  virtual Result<> step(std::span<const std::byte> bytes, bool last, ByteSink& out) = 0;
};

// Returns null for Packing::None. Code::Option: the library is missing. Code::System: there is no memory.
Result<std::unique_ptr<Packer>> makePacker(Packing packing);

// Replaces the content by its compressed form, or leaves it with Packing::None. Errors as above.
Result<> pack(ByteSink& content, Packing packing);

}  // namespace ringtap
