#include "core/savefile/kept_files.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace ringtap {

void KeptFiles::add(std::string path) {
  if (keep_ == 0) return;
  std::lock_guard lock(mutex_);
  files_.push_back(std::move(path));
  if (!held_) ++releasedFiles_;
  trim();
}

bool KeptFiles::removeOldest() {
  std::lock_guard lock(mutex_);
  while (releasedFiles_ > 0) {
    if (removeFirst()) return true;
  }
  return false;
}

void KeptFiles::release() {
  std::lock_guard lock(mutex_);
  if (releasedFiles_ == files_.size()) return;
  ++releasedFiles_;
  trim();
}

bool KeptFiles::removeFirst() {
  const bool removed = ::unlink(files_.front().c_str()) == 0 || errno == ENOENT;
  files_.pop_front();
  --releasedFiles_;
  return removed;
}

void KeptFiles::trim() {
  while (files_.size() > keep_ && releasedFiles_ > 0) (void)removeFirst();
}

}  // namespace ringtap
