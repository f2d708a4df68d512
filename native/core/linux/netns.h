// Runs work in another network namespace (setns(2), network_namespaces(7)). Sockets opened there stay in it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/util/result.h"
#include "core/util/thread.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// A reference to a network namespace, for threads that enter it later. It keeps the namespace alive and, once made,
// does not depend on a path.
class Namespace {
 public:
  // The namespace of the calling thread.
  [[nodiscard]] static Result<Namespace> own();
  // The namespace at `path` (/run/netns/NAME, /proc/PID/ns/net). Code::Option: no such file.
  [[nodiscard]] static Result<Namespace> at(const std::string& path);
  // Moves the calling thread into the namespace. The thread stays there: call it only on a thread of that namespace's
  // own. Code::Option: it is not a network namespace; Code::Permission: CAP_SYS_ADMIN is missing.
  Result<> enter() const;

  // What stat(2) returns for every path of this namespace, and for no path of another one while this one exists.
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
  };
  [[nodiscard]] std::optional<Identity> identity() const;

 private:
  Namespace(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  UniqueFd fd_;
  std::string name_;  // for messages
};

// Runs `work` in the namespace on a new thread and waits for it; if it is null, on the calling thread. Code::System if
// no thread can be created.
template <typename Work>
auto inNamespace(const std::shared_ptr<const Namespace>& netns, Work&& work) -> decltype(work()) {
  if (!netns) return work();
  decltype(work()) result = Error{};
  auto thread = Thread::start("ringtap netns", [&] {
    if (auto entered = netns->enter(); !entered) result = std::move(entered.error());
    else result = work();
  });
  if (!thread) return std::move(thread.error());
  thread->join();
  return result;
}

// The same in the namespace at `path`; with an empty path, on the calling thread.
template <typename Work>
auto inNamespace(const std::string& path, Work&& work) -> decltype(work()) {
  if (path.empty()) return work();
  auto netns = Namespace::at(path);
  if (!netns) return std::move(netns.error());
  return inNamespace(std::make_shared<const Namespace>(std::move(*netns)), std::forward<Work>(work));
}

}  // namespace ringtap
