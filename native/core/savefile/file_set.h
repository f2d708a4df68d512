// Output files: naming, completion, retention, and the disk space to leave free.
//
// A file is written under a hidden name (".NAME.partial") and gets its own name when it is complete, so a file under
// its own name is whole even if the process is killed. Existing files are never overwritten or replaced. Only the file
// written here gets the name, even if the hidden name refers to another file by then. It is linked under its name and
// then unlinked under the hidden one: a process that is killed in between leaves the complete file under both.
//
// Standard output can take the place of the files, and a path may be that of a named pipe: nothing can be taken back
// then. Of standard output a duplicate is closed.
//
// Not thread-safe: one thread at a time, except for hurry() and release().
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/savefile/kept_files.h"
#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

struct FileSetOptions {
  // A template: %Y %m %d %H %M %S (UTC, when the file is begun), %i (the file's number, six digits) and %% (a percent
  // sign).
  std::string path;
  bool standardOutput = false;    // instead of `path`
  std::uint32_t keep = 0;         // complete files to keep; older ones are removed. 0: all
  bool held = false;              // see KeptFiles
  std::uint64_t minimumFree = 0;  // bytes to leave free on the disk; 0: no check
  enum class Sync { Never, File, Interval } sync = Sync::Never;
  std::uint32_t syncMilliseconds = 0;  // Interval: written data is synced at least this often
};

class FileSet {
 public:
  explicit FileSet(FileSetOptions options) : options_(std::move(options)), kept_(options_.keep, options_.held) {}
  ~FileSet();
  FileSet(const FileSet&) = delete;
  FileSet& operator=(const FileSet&) = delete;

  // Begins the next file. A named pipe must have a reader by then (ENXIO).
  Result<> begin();
  [[nodiscard]] bool begun() const { return static_cast<bool>(file_); }
  // Appends to the file. If there is no room and `keep` is set, the oldest complete files of this set are removed. If
  // that is not enough, as much is written as the disk, or `minimumFree`, permits: after an error, written() is the
  // length that was reached.
  Result<> write(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t written() const { return written_; }
  // For Sync::Interval: when the next fdatasync(2) is due, if anything was written since the last one. syncIfDue()
  // makes the call if it is due.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> syncDue() const;
  Result<> syncIfDue();
  // Truncates the file to `length` bytes.
  Result<> shorten(std::uint64_t length);
  // Gives the file its own name and returns the path; "-" for standard output, of a named pipe its own.
  Result<std::string> complete();
  // Removes the file in progress, if there is one.
  void discard();
  // Closes the file in progress, which keeps its hidden name and contents. An empty file is removed.
  void abandon();
  // From now on write() gives up if nobody reads standard output.
  void hurry() { hurry_ = true; }
  // See KeptFiles.
  void release() { kept_.release(); }

 private:
  [[nodiscard]] std::string nameOf(std::uint64_t number) const;
  [[nodiscard]] bool numbered() const;
  [[nodiscard]] bool hiddenIsOurs() const;
  [[nodiscard]] bool isStream() const { return options_.standardOutput || !pipe_.empty(); }
  Result<> beginPipe(const std::string& path);
  Result<> giveName(const std::string& path);
  // How many of these bytes may be written now: all of them, after the oldest complete files are removed if they have
  // to be, or what there is room for; an error if that is nothing.
  Result<std::size_t> room(std::size_t bytes);
  Result<> sync();

  FileSetOptions options_;
  UniqueFd file_;
  std::string folder_;  // of the file, with the trailing slash; empty: the working directory
  std::string name_;    // in the folder
  std::string hidden_;  // the path until the file is complete
  std::string pipe_;    // the named pipe that is written to; empty: none
  std::uint64_t number_ = 0;
  std::uint64_t written_ = 0;
  std::chrono::steady_clock::time_point synced_;
  bool dirty_ = false;  // written to since `synced_`
  KeptFiles kept_;      // the complete files
  std::atomic<bool> hurry_{false};
};

}  // namespace ringtap
