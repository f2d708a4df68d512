// Stops a single thread of another process until standard input ends. To the rest of the process, this looks like a
// thread that waits for a slow disk, or is not scheduled: the thread is stopped only while it writes to a file or waits
// for work, where it holds no lock.
//
//   thread_hold TID
//
// Prints {"held":TID} when the thread is stopped. The thread continues when this process ends, in any way.

#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace {

// Whether the stopped thread is in a system call that a thread makes without holding a lock (proc_pid_syscall(5)).
bool holdsNoLock(int thread) {
  std::ifstream file("/proc/" + std::to_string(thread) + "/syscall");
  long number = -1;
  if (!(file >> number)) return false;
  switch (number) {
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_fsync:
    case SYS_fdatasync:
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait: return true;
    case SYS_futex: {
      unsigned long address = 0, operation = 0;
      file >> std::hex >> address >> operation;
      // Condition variables wait with FUTEX_WAIT_BITSET, after releasing their mutex; mutexes wait with FUTEX_WAIT.
      return (operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
    }
    default: return false;
  }
}

bool stop(int thread) {
  int status = 0;
  return ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0 && ::waitpid(thread, &status, __WALL) == thread;
}

}  // namespace

int main(int count, char** arguments) {
  const int thread = count == 2 ? std::atoi(arguments[1]) : 0;
  if (thread <= 0) {
    std::fprintf(stderr, "usage: thread_hold TID\n");
    return 2;
  }
  bool stopped = ::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0 && stop(thread);
  while (stopped && !holdsNoLock(thread)) {
    stopped = ::ptrace(PTRACE_CONT, thread, nullptr, nullptr) == 0 && ::usleep(1000) == 0 && stop(thread);
  }
  if (!stopped) {
    std::fprintf(stderr, "thread_hold: thread %d cannot be held: %s\n", thread, std::strerror(errno));
    return 1;
  }
  std::printf("{\"held\":%d}\n", thread);
  std::fflush(stdout);
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return ::ptrace(PTRACE_DETACH, thread, nullptr, nullptr) == 0 ? 0 : 1;
}
