#include "core/owners/container_id.h"

#include <algorithm>
#include <cstddef>

namespace ringtap {

namespace {

constexpr std::size_t kDigits = 64;  // of an id
constexpr std::size_t kShort = 12;

bool isHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

std::string_view without(std::string_view text, std::string_view end) {
  return text.ends_with(end) ? text.substr(0, text.size() - end.size()) : text;
}

// The id in one part of a path: `ID`, `docker-ID.scope`. The monitor of a container (`crio-conmon-ID.scope`) is not in
// it.
std::string_view idIn(std::string_view part) {
  part = without(part, ".scope");
  if (part.size() < kDigits) return {};
  const std::string_view id = part.substr(part.size() - kDigits);
  if (!std::all_of(id.begin(), id.end(), isHex)) return {};
  std::string_view runtime = part.substr(0, part.size() - kDigits);
  if (runtime.empty()) return id;
  if (!runtime.ends_with('-')) return {};
  runtime.remove_suffix(1);
  const bool word =
      std::all_of(runtime.begin(), runtime.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
  return word && !runtime.ends_with("conmon") ? id : std::string_view{};
}

// Undoes the escapes of systemd's unit names (`\x2d`).
std::string unescaped(std::string_view name) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool escape =
        name.substr(i).starts_with("\\x") && name.size() - i >= 4 && isHex(name[i + 2]) && isHex(name[i + 3]);
    if (!escape) {
      text += name[i];
      continue;
    }
    text += static_cast<char>(digit(name[i + 2]) * 16 + digit(name[i + 3]));
    i += 3;
  }
  return text;
}

// The name that one part of a path gives to a container; `before`: the part before it.
std::string nameIn(std::string_view part, std::string_view before) {
  constexpr std::string_view payload = "lxc.payload.";
  constexpr std::string_view unit = "systemd-nspawn@";
  constexpr std::string_view machine = "machine-";
  if (before == "lxc" && part != "monitor") return std::string(part);
  if (part.starts_with(payload)) return std::string(part.substr(payload.size()));
  if (part.starts_with(unit) && part.ends_with(".service")) {
    return unescaped(without(part.substr(unit.size()), ".service"));
  }
  if (part.starts_with(machine) && part.ends_with(".scope")) {
    return unescaped(without(part.substr(machine.size()), ".scope"));
  }
  return {};
}

// The container in the path of one control group.
std::string containerIn(std::string_view path) {
  std::string_view id;
  std::string name;
  std::string_view before;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find_first_of("/:"), path.size());
    const std::string_view part = path.substr(0, end);
    if (const std::string_view one = idIn(part); !one.empty()) id = one;  // the last is the innermost
    if (name.empty()) name = nameIn(part, before);
    before = part;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return id.empty() ? name : std::string(id.substr(0, kShort));
}

}  // namespace

std::string containerId(std::string_view cgroup) {
  while (!cgroup.empty()) {
    const std::size_t end = std::min(cgroup.find('\n'), cgroup.size());
    // NUMBER:CONTROLLERS:PATH
    const std::string_view line = cgroup.substr(0, end);
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second != std::string_view::npos) {
      if (std::string found = containerIn(line.substr(second + 1)); !found.empty()) return found;
    }
    cgroup.remove_prefix(std::min(end + 1, cgroup.size()));
  }
  return {};
}

}  // namespace ringtap
