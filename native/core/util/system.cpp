#include "core/util/system.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#include <sys/syscall.h>
#endif

namespace ringtap {

#ifdef __linux__

void nameThread(pthread_t thread, const char* name) { pthread_setname_np(thread, name); }

// musl has no renameat2().
int renameWithoutReplacing(const std::string& from, const std::string& to) {
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE));
}

int syncContent(int fd) { return ::fdatasync(fd); }

void adviseSequential(int fd) { (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); }

#else  // macOS

void nameThread(pthread_t, const char*) {}

int renameWithoutReplacing(const std::string& from, const std::string& to) {
  return ::renamex_np(from.c_str(), to.c_str(), RENAME_EXCL);
}

// fsync(2) leaves the content in the disk's own memory.
int syncContent(int fd) { return ::fcntl(fd, F_FULLFSYNC) == -1 ? ::fsync(fd) : 0; }

void adviseSequential(int) {}

#endif

}  // namespace ringtap
