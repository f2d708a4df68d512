#include "core/owners/descriptor_index.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "core/util/unique_fd.h"

namespace ringtap {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Directory openFolder(int at, const char* path) {
  UniqueFd fd(::openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return nullptr;
  DIR* directory = ::fdopendir(fd.get());
  if (directory != nullptr) (void)fd.release();
  return Directory(directory);
}

std::optional<std::uint32_t> numberOf(std::string_view text) {
  std::uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || last != end) return std::nullopt;
  return number;
}

// The inode in "socket:[4711]", the target of a socket's descriptor.
std::optional<std::uint32_t> socketInode(std::string_view target) {
  constexpr std::string_view start = "socket:[";
  if (!target.starts_with(start) || !target.ends_with(']')) return std::nullopt;
  return numberOf(target.substr(start.size(), target.size() - start.size() - 1));
}

class Walk {
 public:
  Walk(const std::string& procfs, const std::unordered_set<std::uint32_t>& wanted) : procfs_(procfs), wanted_(wanted) {}

  DescriptorIndex run(const std::vector<std::string>& directories) {
    for (const std::string& directory : directories) readFiles(directory);
    if (const Directory all = openFolder(AT_FDCWD, procfs_.c_str())) {
      while (const dirent* entry = ::readdir(all.get())) {
        const auto pid = numberOf(entry->d_name);
        if (!pid) continue;
        readNamespace(::dirfd(all.get()), *pid);
        if (!wanted_.empty()) readDescriptors(::dirfd(all.get()), *pid);
      }
    }
    for (auto& [inode, pids] : index_.holders) {
      std::ranges::sort(pids);
      pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
    }
    return std::move(index_);
  }

 private:
  void readFiles(const std::string& path) {
    const Directory directory = openFolder(AT_FDCWD, path.c_str());
    if (!directory) return;
    while (const dirent* entry = ::readdir(directory.get())) {
      struct stat status {};
      if (entry->d_name[0] == '.' || ::fstatat(::dirfd(directory.get()), entry->d_name, &status, 0) != 0) continue;
      index_.namespaces.emplace(std::pair(status.st_dev, status.st_ino), path + "/" + entry->d_name);
    }
  }

  void readNamespace(int procfs, std::uint32_t pid) {
    const std::string path = std::to_string(pid) + "/ns/net";
    struct stat status {};
    if (::fstatat(procfs, path.c_str(), &status, 0) == 0) {
      index_.namespaces.emplace(std::pair(status.st_dev, status.st_ino), procfs_ + "/" + path);
    } else if (errno == EACCES || errno == EPERM) {
      ++index_.unreadSpaces;
    }
  }

  void readDescriptors(int procfs, std::uint32_t pid) {
    const Directory folder = openFolder(procfs, (std::to_string(pid) + "/fd").c_str());
    if (!folder) {
      if (errno == EACCES || errno == EPERM) ++index_.unread;
      return;
    }
    char target[64];
    while (const dirent* entry = ::readdir(folder.get())) {
      if (entry->d_type != DT_LNK) continue;
      const ssize_t length = ::readlinkat(::dirfd(folder.get()), entry->d_name, target, sizeof target);
      if (length <= 0) continue;
      const auto inode = socketInode({target, static_cast<std::size_t>(length)});
      if (inode && wanted_.contains(*inode)) index_.holders[*inode].push_back(pid);
    }
  }

  const std::string& procfs_;
  const std::unordered_set<std::uint32_t>& wanted_;
  DescriptorIndex index_;
};

}  // namespace

DescriptorIndex indexDescriptors(const std::string& procfs, const std::vector<std::string>& directories,
                                 const std::unordered_set<std::uint32_t>& wanted) {
  return Walk(procfs, wanted).run(directories);
}

}  // namespace ringtap
