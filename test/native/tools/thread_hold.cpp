// Stops a single thread of another process until standard input ends. To the rest of the process, this looks like a
// thread that waits for a slow disk.
//
//   thread_hold TID
//
// Prints {"held":TID} when the thread is stopped. The thread continues when this process ends, in any way.

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int count, char** arguments) {
  const int thread = count == 2 ? std::atoi(arguments[1]) : 0;
  if (thread <= 0) {
    std::fprintf(stderr, "usage: thread_hold TID\n");
    return 2;
  }
  int status = 0;
  if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0 ||
      ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0 || ::waitpid(thread, &status, __WALL) != thread) {
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
