#include "core/linux/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>

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
  return Namespace(std::move(fd), "of the calling thread");
}

Result<Namespace> Namespace::at(const std::string& path) {
  // Non-blocking: the open(2) of a FIFO waits for a writer.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd) return Namespace(std::move(fd), path);
  const Code code = errno == ENOENT || errno == ENOTDIR ? Code::Option : Code::System;
  Error error = Error::fromErrno("open", "netns " + path + " cannot be opened", code);
  if (code == Code::Option) error.message += pathHint(path);
  return error;
}

Result<> Namespace::enter() const {
  if (::setns(fd_.get(), CLONE_NEWNET) == 0) return {};
  if (errno == EINVAL) return Error::fromErrno("setns", "netns " + name_ + " is not a network namespace", Code::Option);
  return Error::fromErrno("setns", "netns " + name_ + " cannot be entered");
}

std::optional<Namespace::Identity> Namespace::identity() const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) return std::nullopt;
  return Identity{status.st_dev, status.st_ino};
}

}  // namespace ringtap
