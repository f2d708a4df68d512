// The few calls that systems have under different names or not at all.
#pragma once

#include <pthread.h>

#include <string>

namespace ringtap {

// Names a thread for ps and debuggers, at most 15 bytes. On macOS a thread can only name itself, so that this has no
// effect there.
void nameThread(pthread_t thread, const char* name);

// Renames a file, unless the new name exists. 0, or -1 with errno: EEXIST; EINVAL or ENOSYS if the file system cannot
// do it in one step.
[[nodiscard]] int renameWithoutReplacing(const std::string& from, const std::string& to);

// Brings a file's content to the disk. 0, or -1 with errno.
[[nodiscard]] int syncContent(int fd);

// Announces that a file is read from the start to the end: a hint, which doubles the read-ahead on Linux.
void adviseSequential(int fd);

}  // namespace ringtap
