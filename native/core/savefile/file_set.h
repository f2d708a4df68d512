// The files that the library writes: their names, how a file becomes complete, how many are kept, how much of the disk
// is left free.
//
// A file is written under a hidden name (".NAME.partial") and gets its own name when it is complete: a file under its
// own name is whole, even if the process was killed. No existing file is ever overwritten or replaced, and only the
// file that was written here gets the name: not one that somebody put in its place.
//
// Not thread-safe: one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>

#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

struct FileSetOptions {
  // With %Y %m %d %H %M %S (UTC, when the file is begun), %i (its number, six digits) and %% for a percent sign.
  std::string path;
  std::uint32_t keep = 0;         // complete files of this set; older ones are removed. 0: all
  std::uint64_t minimumFree = 0;  // bytes that are left free for others
  enum class Sync { Never, File, Interval } sync = Sync::Never;
  std::uint32_t syncMilliseconds = 0;  // Interval: data reach the disk at least so often
};

class FileSet {
 public:
  explicit FileSet(FileSetOptions options) : options_(std::move(options)) {}
  ~FileSet();
  FileSet(const FileSet&) = delete;
  FileSet& operator=(const FileSet&) = delete;

  // Begins the next file.
  Result<> begin();
  [[nodiscard]] bool begun() const { return static_cast<bool>(file_); }
  // Appends. After an error, written() is the length that was reached. If the disk is full and only some files are
  // kept, removes files of the set, oldest first.
  Result<> write(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t written() const { return written_; }
  // Sync::Interval: when the next fdatasync(2) is due, if anything was written since the last; and that call, if due.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> syncDue() const;
  Result<> syncIfDue();
  // Truncates the file to `length` bytes.
  Result<> shorten(std::uint64_t length);
  // Gives the file its name, and returns the path.
  Result<std::string> complete();
  // Removes the file that was begun.
  void discard();
  // Closes the file that was begun: it keeps its hidden name, and what was written. An empty one is removed.
  void abandon();

 private:
  [[nodiscard]] std::string nameOf(std::uint64_t number) const;
  [[nodiscard]] bool numbered() const;
  [[nodiscard]] bool hiddenIsOurs() const;
  Result<> giveName(const std::string& path);
  Result<> makeRoom(std::size_t bytes);
  bool removeOldest();
  Result<> sync();

  FileSetOptions options_;
  UniqueFd file_;
  std::string folder_;  // of the file, with the slash; empty: the working directory
  std::string name_;    // in the folder
  std::string hidden_;  // the path until the file is complete
  std::uint64_t number_ = 0;
  std::uint64_t written_ = 0;
  std::chrono::steady_clock::time_point synced_;
  bool dirty_ = false;  // written to since `synced_`
  std::deque<std::string> complete_;
};

}  // namespace ringtap
