#include "core/owners/processes.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <utility>

#include "core/util/clock.h"
#include "core/util/unique_fd.h"

namespace ringtap {

namespace {

// Bytes of a command line or of a list of control groups that are kept.
constexpr std::size_t kLongest = 4096;

// Up to kLongest bytes of a file; nullopt if it cannot be read.
std::optional<std::string> readStart(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::string text(kLongest, '\0');
  const ssize_t length = ::read(fd.get(), text.data(), text.size());
  if (length < 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::vector<std::string> splitCommand(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// The real user id in the text of /proc/PID/status.
std::optional<std::uint32_t> uidIn(const std::string& status) {
  const std::size_t at = status.find("\nUid:\t");
  if (at == std::string::npos) return std::nullopt;
  std::uint32_t uid = 0;
  const char* from = status.data() + at + 6;
  if (std::from_chars(from, status.data() + status.size(), uid).ec != std::errc()) return std::nullopt;
  return uid;
}

std::size_t bytesOf(const ProcessRecord& record) {
  std::size_t bytes = sizeof(ProcessRecord) + record.name.capacity() + record.cgroup.capacity() + 128;
  for (const std::string& word : record.command) bytes += sizeof(std::string) + word.capacity();
  return bytes;
}

bool sameFacts(const ProcessRecord& a, const ProcessRecord& b) {
  return a.started == b.started && a.name == b.name && a.command == b.command && a.uid == b.uid && a.cgroup == b.cgroup;
}

// Nanoseconds by which the clock ticks of a start may be ahead of the clock of sockets, which is more exact.
constexpr std::uint64_t kTickError = 20'000'000;

// Nanoseconds within which a pid is not given to another process: the kernel first uses all others.
constexpr std::uint64_t kReuse = 10'000'000'000;

std::uint64_t nanosecondsOf(std::uint64_t ticks) {
  static const auto perSecond = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return ticks * (1'000'000'000 / (perSecond == 0 ? 100 : perSecond));
}

// CLOCK_BOOTTIME counts the time asleep, in which the starts of processes are measured; CLOCK_MONOTONIC does not.
std::uint64_t bootTime(std::uint64_t monotonic) {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  const std::uint64_t now = static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + std::uint64_t(time.tv_nsec);
  return now - (monotonicNow() - monotonic);
}

}  // namespace

std::optional<ProcessStat> parseProcessStat(std::string_view text) {
  // The name may contain anything, parentheses too (proc_pid_stat(5)).
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  ProcessStat stat{std::string(text.substr(open + 1, close - open - 1))};
  std::size_t at = close + 1;
  // Behind the name follows field 3; the start is field 22.
  for (int field = 3; field <= 22; ++field) {
    at = text.find(' ', at);
    if (at == std::string_view::npos) return std::nullopt;
    ++at;
  }
  if (std::from_chars(text.data() + at, text.data() + text.size(), stat.started).ec != std::errc()) return std::nullopt;
  return stat;
}

ProcessPointer Processes::keep(Known& known, ProcessRecord record) {
  known.read = monotonicNow();
  if (known.record && sameFacts(*known.record, record)) return known.record;
  if (known.record) bytes_ -= bytesOf(*known.record);
  record.id = ++lastId_;
  bytes_ += bytesOf(record);
  known.record = std::make_shared<const ProcessRecord>(std::move(record));
  return known.record;
}

ProcessPointer Processes::refresh(std::uint32_t pid, const ProcessStat& stat, std::uint64_t freshFor) {
  const auto found = known_.find(pid);
  if (found != known_.end() && found->second.record) {
    const ProcessRecord& record = *found->second.record;
    const bool same = record.started == stat.started && record.name == stat.name;
    if (same && monotonicNow() - found->second.read <= freshFor) return found->second.record;
  }
  const std::string folder = procfs_ + "/" + std::to_string(pid);
  ProcessRecord record{.pid = pid, .started = stat.started, .name = stat.name};
  record.command = splitCommand(readStart(folder + "/cmdline").value_or(""));
  record.uid = uidIn(readStart(folder + "/status").value_or(""));
  record.cgroup = readStart(folder + "/cgroup").value_or("");
  // If it has ended or executed something else meanwhile, the files belong to different states.
  const auto after = parseProcessStat(readStart(folder + "/stat").value_or(""));
  if (!after || after->started != stat.started || after->name != stat.name) return nullptr;
  return keep(known_[pid], std::move(record));
}

ProcessPointer Processes::now(std::uint32_t pid, std::uint64_t freshFor) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto stat = parseProcessStat(readStart(procfs_ + "/" + std::to_string(pid) + "/stat").value_or(""));
    if (!stat) return nullptr;
    if (auto record = refresh(pid, *stat, freshFor)) return record;
  }
  return nullptr;
}

ProcessPointer Processes::at(std::uint32_t pid, std::uint32_t uid, std::string_view name, std::uint64_t time) {
  const auto stat = parseProcessStat(readStart(procfs_ + "/" + std::to_string(pid) + "/stat").value_or(""));
  // A start after `time`: another process has the pid by now. The name is not compared, as it is that of the thread.
  if (stat && nanosecondsOf(stat->started) <= bootTime(time) + kTickError) {
    // A tenth of a second: some programs execute others of the same name.
    if (auto record = refresh(pid, *stat, 100'000'000)) return record;
  }
  Known& known = known_[pid];
  const bool recent = known.record && monotonicNow() - known.read < kReuse;
  if (recent && !stat && known.record->name == name && known.record->uid == uid) return known.record;
  ProcessRecord record{.pid = pid, .name = std::string(name)};
  record.uid = uid;
  return keep(known, std::move(record));
}

void Processes::purge() {
  for (auto it = known_.begin(); it != known_.end();) {
    if (it->second.record && it->second.record.use_count() > 1) {
      ++it;
      continue;
    }
    if (it->second.record) bytes_ -= bytesOf(*it->second.record);
    it = known_.erase(it);
  }
}

}  // namespace ringtap
