#include "core/owners/owner_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/owners/container_id.h"

namespace ringtap {

namespace {

constexpr std::size_t kMaxProcesses = 8;

// The length of the character of UTF-8 that the text begins with; 0 if it begins with none.
std::size_t characterAt(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                             : first >> 4 == 0xe              ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (byte(i) >> 6 != 2) return 0;
  }
  // Longer than necessary, a surrogate, or beyond the last code point.
  const std::uint8_t second = byte(1);
  const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                     (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return wrong ? 0 : length;
}

// A process names itself, with any bytes.
std::string harmless(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = characterAt(text);
    const auto first = static_cast<std::uint8_t>(text[0]);
    const bool control =
        first < 0x20 || first == 0x7f || (length == 2 && first == 0xc2 && static_cast<std::uint8_t>(text[1]) < 0xa0);
    if (length == 0 || control) result += '?';
    else result += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

std::string processText(const ProcessRecord& process) {
  const std::string container = containerId(process.cgroup);
  return harmless(container + (container.empty() ? "" : "/") + process.name) + "(" + std::to_string(process.pid) + ")";
}

std::string endText(const Ownership& owners) {
  std::vector<ProcessPointer> processes = owners.processes;
  std::sort(processes.begin(), processes.end(), [](const auto& a, const auto& b) { return a->pid < b->pid; });
  std::string text;
  for (std::size_t i = 0; i < std::min(processes.size(), kMaxProcesses); ++i) {
    if (i > 0) text += ',';
    text += processText(*processes[i]);
  }
  if (processes.size() > kMaxProcesses) text += ",+" + std::to_string(processes.size() - kMaxProcesses);
  return text;
}

}  // namespace

std::string ownersText(const Ownership& sender, const Ownership& receiver) {
  const std::string from = endText(sender);
  const std::string to = endText(receiver);
  if (from.empty() && to.empty()) return {};
  return from + (from.empty() ? ">" : " >") + (to.empty() ? "" : " ") + to;
}

}  // namespace ringtap
