#include "core/links/peer_namespaces.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "core/util/unique_fd.h"

namespace ringtap {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

using Identity = Namespace::Identity;

Identity identityOf(const struct stat& status) { return {status.st_dev, status.st_ino}; }

std::optional<std::uint32_t> pidOf(const char* name) {
  std::uint32_t pid = 0;
  const char* end = name + std::strlen(name);
  const auto [last, error] = std::from_chars(name, end, pid);
  if (error != std::errc() || last != end) return std::nullopt;
  return pid;
}

class Search {
 public:
  Search(netlink::Requester& requester, const std::set<std::int32_t>& wanted, const NamespaceSources& sources)
      : requester_(requester), wanted_(wanted), sources_(sources) {}

  FoundNamespaces run() {
    for (const std::string& directory : sources_.directories) readFiles(directory);
    readProcesses();
    FoundNamespaces found;
    found.unread = unread_;
    for (auto& [id, one] : found_) {
      std::ranges::sort(one.pids);
      std::sort(one.paths.begin(), one.paths.end());
      found.list.push_back(std::move(one));
    }
    return found;
  }

 private:
  // Null if the namespace is not wanted.
  FoundNamespace* at(std::optional<std::int32_t> id) {
    if (!id || !wanted_.contains(*id)) return nullptr;
    FoundNamespace& one = found_[*id];
    one.id = *id;
    return &one;
  }

  // The namespace of an open file.
  FoundNamespace* at(int fd) {
    struct stat status {};
    FoundNamespace* one = ::fstat(fd, &status) == 0 ? at(requester_.namespaceIdOf(fd)) : nullptr;
    if (one != nullptr) one->identity = identityOf(status);
    return one;
  }

  void readFiles(const std::string& path) {
    const Directory directory(::opendir(path.c_str()));
    if (!directory) return;
    while (const dirent* entry = ::readdir(directory.get())) {
      if (entry->d_name[0] == '.') continue;
      // Non-blocking: the open(2) of a FIFO waits for a writer.
      const UniqueFd fd(::openat(::dirfd(directory.get()), entry->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
      if (!fd) continue;
      if (FoundNamespace* one = at(fd.get())) one->paths.push_back(path + "/" + entry->d_name);
    }
  }

  void readProcesses() {
    const Directory directory(::opendir(sources_.procfs.c_str()));
    if (!directory) return;
    while (const dirent* entry = ::readdir(directory.get())) {
      const auto pid = pidOf(entry->d_name);
      if (!pid) continue;
      if (FoundNamespace* one = ofProcess(::dirfd(directory.get()), *pid)) one->pids.push_back(*pid);
    }
  }

  FoundNamespace* ofProcess(int procfs, std::uint32_t pid) {
    const std::string path = std::to_string(pid) + "/ns/net";
    struct stat status {};
    if (::fstatat(procfs, path.c_str(), &status, 0) != 0) {
      if (errno != EACCES && errno != EPERM) return nullptr;  // it has ended
      if (sources_.ownPids) return at(requester_.namespaceIdOfProcess(pid));
      ++unread_;
      return nullptr;
    }
    const Identity identity = identityOf(status);
    const auto key = std::pair(identity.device, identity.inode);
    const auto known = ids_.find(key);
    if (known != ids_.end()) return at(known->second);
    const UniqueFd fd(::openat(procfs, path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return nullptr;
    FoundNamespace* one = at(fd.get());
    // The process may have moved since it was looked at.
    struct stat opened {};
    if (::fstat(fd.get(), &opened) == 0) {
      const Identity now = identityOf(opened);
      ids_[{now.device, now.inode}] = one == nullptr ? std::nullopt : std::optional(one->id);
    }
    return one;
  }

  netlink::Requester& requester_;
  const std::set<std::int32_t>& wanted_;
  const NamespaceSources& sources_;
  std::map<std::int32_t, FoundNamespace> found_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::optional<std::int32_t>> ids_;  // by device and inode
  std::uint32_t unread_ = 0;
};

}  // namespace

FoundNamespaces findNamespaces(netlink::Requester& requester, const std::set<std::int32_t>& wanted,
                               const NamespaceSources& sources) {
  return Search(requester, wanted, sources).run();
}

}  // namespace ringtap
