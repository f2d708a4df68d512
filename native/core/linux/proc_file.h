// A file of /proc that is read again and again.
//
// One owner; not thread-safe.
#pragma once

#include <optional>
#include <string>

#include "core/util/unique_fd.h"

namespace ringtap {

class ProcFile {
 public:
  // The file stays open: reading it again takes a tenth of the time of opening it again.
  explicit ProcFile(const char* path);

  // Whether the file could be opened.
  [[nodiscard]] bool available() const { return static_cast<bool>(fd_); }
  // The whole content as it is now; nullopt if it cannot be read.
  [[nodiscard]] std::optional<std::string> read() const;

 private:
  UniqueFd fd_;
};

}  // namespace ringtap
