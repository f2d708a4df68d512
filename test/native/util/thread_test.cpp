#include "core/util/thread.h"

#include <signal.h>

#include <atomic>
#include <string>
#include <utility>

#include "support/check.h"

using namespace ringtap;

TEST(a_thread_has_its_name_and_blocks_all_signals) {
  std::string name;
  sigset_t blocked;
  sigemptyset(&blocked);
  std::atomic<bool> named{false};
  auto thread = Thread::start("ringtap name", [&] {
    while (!named) sched_yield();
    char text[16];
    CHECK(pthread_getname_np(pthread_self(), text, sizeof text) == 0);
    name = text;
    CHECK(pthread_sigmask(SIG_SETMASK, nullptr, &blocked) == 0);
  });
  CHECK(thread.ok());
  named = true;  // start() has returned, so the name is already visible to other threads
  thread->join();
  CHECK(name == "ringtap name");
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGPROF, SIGRTMAX}) {
    CHECK(sigismember(&blocked, signal) == 1);
  }
  sigset_t own;
  CHECK(pthread_sigmask(SIG_SETMASK, nullptr, &own) == 0);
  CHECK(sigismember(&own, SIGINT) == 0);
}

TEST(a_moved_thread_is_joined_by_its_new_owner) {
  std::atomic<int> ran{0};
  Thread none;
  CHECK(!none.joinable());
  none.join();
  {
    auto first = Thread::start("ringtap first", [&] { ++ran; });
    auto second = Thread::start("ringtap second", [&] { ++ran; });
    CHECK(first.ok() && second.ok());
    *first = std::move(*second);  // joins the first
    CHECK(ran >= 1);
    CHECK(first->joinable() && !second->joinable());
    Thread moved(std::move(*first));
    CHECK(moved.joinable() && !first->joinable());
  }
  CHECK(ran == 2);
}

TEST(a_thread_has_the_requested_stack_size) {
  std::size_t size = 0;
  auto thread = Thread::start(
      "ringtap stack",
      [&] {
        pthread_attr_t attributes;
        CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
        CHECK(pthread_attr_getstacksize(&attributes, &size) == 0);
        pthread_attr_destroy(&attributes);
      },
      32u << 20);
  CHECK(thread.ok());
  thread->join();
  CHECK(size == 32u << 20);
}

// No system has this much address space: pthread_create fails as it does at a limit on the number of threads.
TEST(a_thread_that_cannot_be_started_is_an_error) {
  bool ran = false;
  auto thread = Thread::start(
      "ringtap none", [&] { ran = true; }, std::size_t{1} << 60);
  CHECK(!thread.ok());
  CHECK(thread.error().code == Code::System);
  CHECK(thread.error().number == EAGAIN);
  CHECK(std::string(thread.error().syscall) == "pthread_create");
  CHECK(!ran);
  sigset_t own;
  CHECK(pthread_sigmask(SIG_SETMASK, nullptr, &own) == 0);
  CHECK(sigismember(&own, SIGINT) == 0);
}
