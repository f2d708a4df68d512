#include "core/result.h"

#include <cstring>

namespace ringtap {

Error Error::fromErrno(const char* syscall, std::string message, Code code) {
  const int number = errno;
  if (code == Code::System && (number == EPERM || number == EACCES)) code = Code::Permission;
  char buffer[128];
  const char* reason = strerror_r(number, buffer, sizeof buffer);  // the GNU form: thread-safe, returns the text
  if (message.empty()) message = std::string(syscall) + ": " + reason;
  else message += std::string(": ") + syscall + ": " + reason;
  return Error{code, std::move(message), number, syscall, {}};
}

}  // namespace ringtap
