// Wakes JavaScript from a thread of the core's.
#pragma once

#include <napi.h>

#include <atomic>
#include <utility>

namespace ringtap::binding {

// The thread-safe function is released by its owner, after the thread is gone; where the environment ends first, the
// call says so and is not made again. It holds the event loop, unless hold(false).
class Waker {
 public:
  Waker(Napi::Env env, Napi::Function callback)
      : function_(Napi::ThreadSafeFunction::New(env, callback, "ringtap", 0, 1)) {}
  void operator()() {
    if (dead_) return;
    const napi_status status = function_.NonBlockingCall();
    if (status == napi_closing) dead_ = true;
  }
  // JavaScript's thread's part.
  void hold(Napi::Env env, bool held) {
    if (released_ || dead_) return;
    if (held) function_.Ref(env);
    else function_.Unref(env);
  }
  void release() {
    if (!std::exchange(released_, true) && !dead_) function_.Release();
  }

 private:
  Napi::ThreadSafeFunction function_;
  std::atomic<bool> dead_{false};
  bool released_ = false;
};

}  // namespace ringtap::binding
