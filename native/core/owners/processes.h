// The processes that own sockets: what procfs says about them, each kept once.
//
// One owner; not thread-safe. A record that was handed out stays as it is, also after its process has ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringtap {

struct ProcessRecord {
  std::uint32_t id = 0;  // of the record, never used again
  std::uint32_t pid = 0;
  std::uint64_t started = 0;           // clock ticks since boot; with pid it identifies the process. 0: unknown
  std::string name;                    // of the command, at most 15 bytes
  std::vector<std::string> command{};  // the command line; empty if the process had ended, and of kernel threads
  std::optional<std::uint32_t> uid{};  // the real one
  std::string cgroup{};                // the content of /proc/PID/cgroup; empty if the process had ended
};
using ProcessPointer = std::shared_ptr<const ProcessRecord>;

// Name and start of a process in the text of /proc/PID/stat; nullopt if it is malformed.
struct ProcessStat {
  std::string name;
  std::uint64_t started = 0;
};
[[nodiscard]] std::optional<ProcessStat> parseProcessStat(std::string_view text);

class Processes {
 public:
  explicit Processes(std::string procfs) : procfs_(std::move(procfs)) {}

  // The process that has this pid now; null if there is none. A command line that is older than `freshFor` nanoseconds
  // is read again, because execve(2) changes it: it is then another record.
  [[nodiscard]] ProcessPointer now(std::uint32_t pid, std::uint64_t freshFor);

  // The process that had this pid at `time` (monotonicNow(), clock.h), a moment ago; if it has ended since, a record of
  // what the arguments say. `name`: of the thread, which is mostly that of the process.
  [[nodiscard]] ProcessPointer at(std::uint32_t pid, std::uint32_t uid, std::string_view name, std::uint64_t time);

  // Forgets the records that nobody else holds.
  void purge();
  [[nodiscard]] std::size_t size() const { return known_.size(); }
  // Approximate bytes of all records.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Known {
    ProcessPointer record;
    std::uint64_t read = 0;  // monotonicNow() when the command line was read
  };

  ProcessPointer keep(Known& known, ProcessRecord record);
  [[nodiscard]] ProcessPointer refresh(std::uint32_t pid, const ProcessStat& stat, std::uint64_t freshFor);

  const std::string procfs_;
  std::uint32_t lastId_ = 0;
  std::size_t bytes_ = 0;
  std::map<std::uint32_t, Known> known_;  // by pid
};

}  // namespace ringtap
