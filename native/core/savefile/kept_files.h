// The complete files of a set, and how many of them are kept: older ones are removed.
//
// Thread-safe. add(), removeOldest() and release() may block for the disk.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

namespace ringtap {

class KeptFiles {
 public:
  // `keep`: 0: all, and no file is removed. `held`: a file is not removed before release() was called for it; it counts
  // nevertheless, so that there may be more than `keep`.
  KeptFiles(std::uint32_t keep, bool held) : keep_(keep), held_(held) {}

  // Adds a file, and removes those that are too many.
  void add(std::string path);
  // Removes the oldest file that can be removed. False if there is none.
  bool removeOldest();
  // The oldest file that is held is not held any longer.
  void release();

 private:
  bool removeFirst();  // with the mutex held, as the next one
  void trim();

  const std::uint32_t keep_;
  const bool held_;
  std::mutex mutex_;
  std::deque<std::string> files_;  // oldest first
  std::size_t releasedFiles_ = 0;  // of `files_`, the first so many are not held
};

}  // namespace ringtap
