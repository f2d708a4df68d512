#include "core/linux/proc_file.h"

#include <fcntl.h>

namespace ringtap {

ProcFile::ProcFile(const char* path) : fd_(::open(path, O_RDONLY | O_CLOEXEC)) {}

std::optional<std::string> ProcFile::read() const {
  if (!fd_) return std::nullopt;
  std::string text;
  for (;;) {
    char part[16384];
    const ssize_t length = ::pread(fd_.get(), part, sizeof part, static_cast<off_t>(text.size()));
    if (length < 0) return std::nullopt;
    if (length == 0) return text;
    text.append(part, static_cast<std::size_t>(length));
  }
}

}  // namespace ringtap
