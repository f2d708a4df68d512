#include "core/util/netns.h"

#include <fcntl.h>
#include <sched.h>

namespace ringtap {

namespace {

// For a name or a process id in place of a path.
std::string pathHint(const std::string& path) {
  if (path.find('/') != std::string::npos) return {};
  const bool number = path.find_first_not_of("0123456789") == std::string::npos;
  return number ? "; the namespace of a process has the path /proc/" + path + "/ns/net"
                : "; a namespace of ip-netns(8) has the path /run/netns/" + path;
}

}  // namespace

Result<Namespace> Namespace::own() {
  UniqueFd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd) return Error::fromErrno("open", "the network namespace cannot be kept");
  return Namespace(std::move(fd));
}

Result<> Namespace::enter() const {
  if (::setns(fd_.get(), CLONE_NEWNET) == 0) return {};
  return Error::fromErrno("setns", "the network namespace cannot be entered");
}

Result<> enterNamespace(const std::string& path) {
  // Non-blocking: the open(2) of a FIFO waits for a writer.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    const Code code = errno == ENOENT || errno == ENOTDIR ? Code::Option : Code::System;
    Error error = Error::fromErrno("open", "netns " + path + " cannot be opened", code);
    if (code == Code::Option) error.message += pathHint(path);
    return error;
  }
  if (::setns(fd.get(), CLONE_NEWNET) == 0) return {};
  if (errno == EINVAL) return Error::fromErrno("setns", "netns " + path + " is not a network namespace", Code::Option);
  return Error::fromErrno("setns", "netns " + path + " cannot be entered");
}

}  // namespace ringtap
