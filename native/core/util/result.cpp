#include "core/util/result.h"

#include <cstring>

namespace ringtap {

namespace {

// strerror_r, which is thread-safe, has two forms: glibc's returns the text, musl's (POSIX) fills the buffer.
[[maybe_unused]] const char* text(const char* returned, const char*) { return returned; }
[[maybe_unused]] const char* text(int failed, const char* buffer) { return failed ? "unknown error" : buffer; }

}  // namespace

Error Error::fromErrno(const char* syscall, std::string message, Code code) {
  const int number = errno;
  if (code == Code::System && (number == EPERM || number == EACCES)) code = Code::Permission;
  char buffer[128];
  const char* reason = text(strerror_r(number, buffer, sizeof buffer), buffer);
  if (message.empty()) message = std::string(syscall) + ": " + reason;
  else message += std::string(": ") + syscall + ": " + reason;
  return Error{code, std::move(message), number, syscall, {}, {}};
}

}  // namespace ringtap
