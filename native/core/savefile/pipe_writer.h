// Writes to standard output, which may be a file, a terminal, a pipe or a socket, and to named pipes, without blocking
// for longer than wanted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/util/result.h"

namespace ringtap {

// Writes to a descriptor that other processes may have too, until all is written. Once `hurry` is true, gives up when
// the reader has taken nothing for a second (ETIMEDOUT). `written` grows by the bytes written, also before an error.
// `name`: in error messages.
Result<> writePipe(int fd, const std::string& name, std::span<const std::byte> bytes, const std::atomic<bool>& hurry,
                   std::uint64_t& written);

}  // namespace ringtap
