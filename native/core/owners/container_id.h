// The container of a process, by its control groups.
#pragma once

#include <string>
#include <string_view>

namespace ringtap {

// A short name of the innermost container in the content of a file /proc/PID/cgroup: the first 12 digits of its id, or
// the name that LXC and systemd-nspawn have instead. "" for a process outside containers. As lib/interfaces/cgroup.ts,
// which reads more.
[[nodiscard]] std::string containerId(std::string_view cgroup);

}  // namespace ringtap
