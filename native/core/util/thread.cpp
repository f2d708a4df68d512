#include "core/util/thread.h"

#include <signal.h>

#include <memory>

#include "core/util/system.h"

namespace ringtap {

namespace {

using Body = std::function<void()>;

void* run(void* argument) {
  const std::unique_ptr<Body> body(static_cast<Body*>(argument));
  (*body)();
  return nullptr;
}

}  // namespace

Result<Thread> Thread::start(const char* name, Body body, std::size_t stackSize) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (stackSize > 0) pthread_attr_setstacksize(&attributes, stackSize);
  auto own = std::make_unique<Body>(std::move(body));

  // A new thread inherits its creator's signal mask, so it has signals blocked from its start.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t id;
  const int number = pthread_create(&id, &attributes, &run, own.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (number != 0) {
    errno = number;
    return Error::fromErrno("pthread_create", std::string("no thread could be made (") + name + ")");
  }
  (void)own.release();  // owned by the thread
  nameThread(id, name);
  return Thread(id);
}

}  // namespace ringtap
