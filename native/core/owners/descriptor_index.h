// Which processes have which sockets open, and which network namespaces they are in: one walk over procfs.
//
// Takes about a microsecond per open descriptor, and some ten per process.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/linux/netns.h"

namespace ringtap {

struct DescriptorIndex {
  // Processes by inode of a socket, ascending.
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> holders;
  // A path of each network namespace, by device and inode.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> namespaces;
  std::uint32_t unread = 0;        // processes whose descriptors are not shown to this one
  std::uint32_t unreadSpaces = 0;  // processes whose network namespace is not shown to this one
};

// `wanted`: the inodes of which holders are to be found. `directories`: with files of network namespaces. With empty
// `wanted`, no descriptors are read, and `unread` stays 0.
[[nodiscard]] DescriptorIndex indexDescriptors(const std::string& procfs, const std::vector<std::string>& directories,
                                               const std::unordered_set<std::uint32_t>& wanted);

}  // namespace ringtap
