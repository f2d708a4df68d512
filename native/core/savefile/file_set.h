// The files of one recording on the disk: their names, how they become complete, how many are kept, how much of the
// disk is left free.
//
// A file is written under a hidden name (".NAME.partial") and takes its own when it is complete: a file with its own
// name is whole, whenever the process was killed. Nothing that is there is ever written over.
//
// One thread at a time.
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
  // Appends. After an error `written()` tells how far it came. Removes files of the set, oldest first, where the disk
  // is full and only some are kept.
  Result<> write(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t written() const { return written_; }
  // Sync::Interval: when what was written has to be brought to the disk, if anything was; and doing so if it is time.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> syncDue() const;
  Result<> syncIfDue();
  // Cuts the file off.
  Result<> shorten(std::uint64_t length);
  // Gives the file its name, and returns that.
  Result<std::string> complete();
  // Removes the file that was begun.
  void discard();

 private:
  [[nodiscard]] std::string nameOf(std::uint64_t number) const;
  [[nodiscard]] bool numbered() const;
  Result<> makeRoom(std::size_t bytes);
  bool removeOldest();
  Result<> sync();

  FileSetOptions options_;
  UniqueFd file_;
  std::string folder_;  // of the file, with the slash; empty for the present one
  std::string name_;    // in the folder
  std::string hidden_;  // the path it has until it is complete
  std::uint64_t number_ = 0;
  std::uint64_t written_ = 0;
  std::chrono::steady_clock::time_point synced_;
  bool dirty_ = false;  // written to since then
  std::deque<std::string> complete_;
};

}  // namespace ringtap
