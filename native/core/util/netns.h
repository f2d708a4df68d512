// Runs work in another network namespace (setns(2), network_namespaces(7)). Sockets opened there stay in it.
#pragma once

#include <string>

#include "core/util/result.h"
#include "core/util/thread.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// A reference to a network namespace, for threads that enter it later. Does not depend on a path.
class Namespace {
 public:
  // The namespace of the calling thread.
  [[nodiscard]] static Result<Namespace> own();
  // As enterNamespace().
  Result<> enter() const;

 private:
  explicit Namespace(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// Moves the calling thread into the namespace at `path` (/run/netns/NAME, /proc/PID/ns/net). The thread stays there:
// call it only on a short-lived thread. Code::Option: no such file, or not a network namespace; Code::Permission:
// CAP_SYS_ADMIN is missing.
Result<> enterNamespace(const std::string& path);

// Runs `work` in that namespace on a new thread and waits for it; with an empty path, on the calling thread.
// Code::System if no thread can be created.
template <typename Work>
auto inNamespace(const std::string& path, Work&& work) -> decltype(work()) {
  if (path.empty()) return work();
  decltype(work()) result = Error{};
  auto thread = Thread::start("ringtap netns", [&] {
    if (auto entered = enterNamespace(path); !entered) result = std::move(entered.error());
    else result = work();
  });
  if (!thread) return std::move(thread.error());
  thread->join();
  return result;
}

}  // namespace ringtap
