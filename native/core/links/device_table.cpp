#include "core/links/device_table.h"

#include <net/if.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace ringtap {

namespace {

// Received bytes, packets, errors, drops, fifo errors; then columns that are not used.
enum DeviceColumn : std::size_t { kErrors = 2, kDrops = 3, kFifo = 4, kColumns };

std::optional<DeviceLine> parseNumbers(std::string_view text) {
  std::array<std::uint64_t, kColumns> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::uint64_t& number : numbers) {
    while (at != end && *at == ' ') ++at;
    const auto [next, failure] = std::from_chars(at, end, number);
    if (failure != std::errc{}) return std::nullopt;
    at = next;
  }
  return DeviceLine{numbers[kErrors], numbers[kDrops], numbers[kFifo]};
}

// Removes the first line, and returns it without its end; nullopt if no complete line is left.
std::optional<std::string_view> nextLine(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

}  // namespace

DeviceLosses DeviceLine::completedWith(const DeviceLosses& earlier) const {
  DeviceLosses now = earlier;
  now.errors = errors;
  now.fifo = fifo;
  now.dropped = droppedAndMissed - std::min(droppedAndMissed, earlier.missed);
  return now;
}

std::optional<DeviceLines> parseDeviceTable(std::string_view text) {
  for (int header = 0; header < 2; ++header) {
    const auto line = nextLine(text);
    if (!line || line->find('|') == std::string_view::npos) return std::nullopt;
  }
  DeviceLines lines;
  while (!text.empty()) {
    auto line = nextLine(text);
    if (!line) return std::nullopt;
    line->remove_prefix(std::min(line->find_first_not_of(' '), line->size()));
    // A device's name contains neither colons nor white space (dev_valid_name(), net/core/dev.c).
    const std::size_t colon = line->find(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    const auto numbers = parseNumbers(line->substr(colon + 1));
    if (!numbers) return std::nullopt;
    lines.insert_or_assign(std::string(line->substr(0, colon)), *numbers);
  }
  return lines;
}

bool lineSuffices(const InterfaceInfo& info) {
  static constexpr std::string_view kSoftware[] = {
      "veth", "bridge", "dummy",  "tun",       "vlan", "macvlan", "macvtap", "ipvlan",    "ipvtap", "vxlan", "geneve",
      "gre",  "gretap", "ip6gre", "ip6gretap", "ipip", "ip6tnl",  "sit",     "wireguard", "netkit", "ifb",   "vrf"};
  return (info.flags & IFF_LOOPBACK) != 0 || std::ranges::find(kSoftware, info.kind) != std::end(kSoftware);
}

}  // namespace ringtap
