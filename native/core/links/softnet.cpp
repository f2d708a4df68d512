#include "core/links/softnet.h"

#include <charconv>
#include <memory>
#include <utility>
#include <vector>

#include "core/linux/proc_file.h"

namespace ringtap {

namespace {

// One line for each online processor, with 32-bit hexadecimal numbers. Since Linux 5.10 the 13th is the processor's
// number; before that, the number of the line is used.
enum SoftnetColumn : std::size_t { kDropped = 1, kTimeSqueezed = 2, kProcessor = 12 };

std::optional<std::vector<std::uint32_t>> parseLine(std::string_view line) {
  std::vector<std::uint32_t> words;
  const char* at = line.data();
  const char* const end = at + line.size();
  while (at != end) {
    std::uint32_t word = 0;
    const auto [next, failure] = std::from_chars(at, end, word, 16);
    if (failure != std::errc{}) return std::nullopt;
    words.push_back(word);
    at = next;
    while (at != end && *at == ' ') ++at;
  }
  if (words.size() <= kTimeSqueezed) return std::nullopt;
  return words;
}

Softnet::Source openSource() {
  return [file = std::make_shared<ProcFile>("/proc/net/softnet_stat")] { return file->read(); };
}

}  // namespace

std::optional<std::map<std::uint32_t, ProcessorCounters>> parseSoftnet(std::string_view text) {
  std::map<std::uint32_t, ProcessorCounters> processors;
  std::uint32_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;  // every line ends with a newline
    const auto words = parseLine(text.substr(0, end));
    if (!words) return std::nullopt;
    const std::uint32_t processor = words->size() > kProcessor ? (*words)[kProcessor] : number;
    processors[processor] = {(*words)[kDropped], (*words)[kTimeSqueezed]};
    text.remove_prefix(end + 1);
    ++number;
  }
  if (processors.empty()) return std::nullopt;
  return processors;
}

Softnet::Softnet() : Softnet(openSource()) {}

Softnet::Softnet(Source source) : source_(std::move(source)) {
  if (const auto text = source_()) last_ = parseSoftnet(*text);
}

std::optional<SoftnetStats> Softnet::stats() {
  if (!last_) return std::nullopt;
  const auto text = source_();
  const auto now = text ? parseSoftnet(*text) : std::nullopt;
  if (!now) return std::nullopt;
  for (const auto& [processor, counters] : *now) {
    // The counters wrap at 32 bits. A processor that comes online is counted from now on.
    const auto [before, isNew] = last_->try_emplace(processor, counters);
    sums_.dropped += counters.dropped - before->second.dropped;
    sums_.timeSqueezed += counters.timeSqueezed - before->second.timeSqueezed;
    before->second = counters;
  }
  return sums_;
}

}  // namespace ringtap
