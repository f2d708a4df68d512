// Finds the network namespaces that have given ids, by files of them and by the processes in them.
//
// Blocks for about a microsecond per process.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/links/netlink_socket.h"
#include "core/linux/netns.h"

namespace ringtap {

// Where to look.
struct NamespaceSources {
  std::string procfs = "/proc";
  // Whether the process ids in `procfs` are those of this process's pid namespace. Then the kernel returns the
  // namespace of a process to everybody; otherwise its file has to be opened, for which it must be permitted to trace
  // the process (CAP_SYS_PTRACE).
  bool ownPids = true;
  // Directories with files of network namespaces, such as /run/netns (ip-netns(8)).
  std::vector<std::string> directories;
};

struct FoundNamespace {
  std::int32_t id = -1;
  std::optional<Namespace::Identity> identity{};  // unknown if no file of it could be opened
  std::vector<std::string> paths{};               // in the directories
  std::vector<std::uint32_t> pids{};              // ascending
};

struct FoundNamespaces {
  std::vector<FoundNamespace> list;  // ascending by id; only those of which something was found
  std::uint32_t unread = 0;          // processes whose namespace is unknown, for lack of permission
};

// `wanted`: ids that the namespace of `requester` has for others (RTM_GETNSID).
[[nodiscard]] FoundNamespaces findNamespaces(netlink::Requester& requester, const std::set<std::int32_t>& wanted,
                                             const NamespaceSources& sources);

}  // namespace ringtap
