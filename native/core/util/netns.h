// Work in another network namespace (setns(2), network_namespaces(7)): sockets opened there stay there.
#pragma once

#include <string>

#include "core/util/result.h"
#include "core/util/thread.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// A network namespace, for threads that have to go back there later, whatever has become of its path.
class Namespace {
 public:
  // That of the calling thread.
  [[nodiscard]] static Result<Namespace> own();
  // As enterNamespace().
  Result<> enter() const;

 private:
  explicit Namespace(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// Enters the namespace that `path` names (/run/netns/NAME, /proc/PID/ns/net). Only on a thread of its own that ends
// soon: the thread stays there. Option: no such file, or it is no network namespace; Permission: CAP_SYS_ADMIN is
// missing.
Result<> enterNamespace(const std::string& path);

// Runs `work` in that namespace, on a thread of its own, and waits for it; where the path is empty, right here. System
// also where no thread can be made.
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
