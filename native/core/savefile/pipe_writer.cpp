#include "core/savefile/pipe_writer.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>

namespace ringtap {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kPatience = 1s;
constexpr int kPollMilliseconds = 100;

Result<> awaitReader(int fd, const std::string& name, const std::atomic<bool>& hurry) {
  Clock::time_point since = Clock::now();
  bool hurried = false;
  for (;;) {
    pollfd one{fd, POLLOUT, 0};
    const int ready = ::poll(&one, 1, kPollMilliseconds);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return Error::fromErrno("poll", name + " cannot be watched");
    if (!hurry) continue;
    if (!hurried) since = Clock::now();
    hurried = true;
    if (Clock::now() - since < kPatience) continue;
    return Error{Code::System, name + " is not read, and the rest was not written", ETIMEDOUT, "write"};
  }
}

}  // namespace

Result<> writePipe(int fd, const std::string& name, std::span<const std::byte> bytes, const std::atomic<bool>& hurry,
                   std::uint64_t& written) {
  struct stat status;
  const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  while (!bytes.empty()) {
    if (!regular) {
      if (auto awaited = awaitReader(fd, name, hurry); !awaited) return awaited;
    }
    // A pipe that is writable takes this many bytes without blocking. The descriptor cannot be made non-blocking: other
    // processes have it too.
    const std::size_t length = regular ? bytes.size() : std::min<std::size_t>(bytes.size(), PIPE_BUF);
    const ssize_t count = ::write(fd, bytes.data(), length);
    if (count < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return Error::fromErrno("write", name + " could not be written");
    }
    written += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace ringtap
