// Wakes JavaScript from a thread of the core.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "binding/util/errors.h"
#include "binding/util/js.h"

namespace ringtap::binding {

// Calls a JavaScript function, without arguments, on JavaScript's thread; any thread may request it with operator().
// Keeps the event loop alive, unless hold(false).
//
// Its owner releases it after the threads that call it have ended: at the latest in a cleanup hook of the environment
// that was added after the waker was made. All but operator() runs on JavaScript's thread.
class Waker {
 public:
  // Returns null, with an exception pending, if it cannot be made, and for an empty `callback`.
  [[nodiscard]] static std::shared_ptr<Waker> make(js::Env env, js::Value callback) {
    // In a worker that is being terminated no function can be made, but a thread-safe function without one can. That
    // would not keep alive what the function refers to.
    if (callback.IsEmpty()) return nullptr;
    napi_threadsafe_function function = nullptr;
    const napi_status status =
        napi_create_threadsafe_function(env, callback, nullptr, js::String::New(env, "ringtap"), 0, 1, nullptr, nullptr,
                                        nullptr, &Waker::call, &function);
    if (status == napi_ok) return std::shared_ptr<Waker>(new Waker(env, function));
    throwError(env, Error{.message = "no thread-safe function could be made"});
    return nullptr;
  }
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker() { release(); }

  void operator()() {
    if (dead_ || released_) return;
    if (napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_closing) dead_ = true;
  }
  // On JavaScript's thread.
  void hold(js::Env env, bool held) {
    if (released_ || dead_) return;
    if (held) (void)napi_ref_threadsafe_function(env, function_);
    else (void)napi_unref_threadsafe_function(env, function_);
  }
  void release() {
    if (released_) return;
    napi_remove_env_cleanup_hook(env_, &Waker::cleanup, this);
    cleanup(this);
  }

 private:
  Waker(js::Env env, napi_threadsafe_function function) : env_(env), function_(function) {
    napi_add_env_cleanup_hook(env, &Waker::cleanup, this);
  }

  // Hooks run in reverse order, so the thread-safe function, which the environment frees in its own hook, is still
  // valid.
  static void cleanup(void* data) {
    auto* self = static_cast<Waker*>(data);
    self->released_ = true;
    if (!self->dead_) (void)napi_release_threadsafe_function(self->function_, napi_tsfn_release);
  }

  // `env` is null if the environment is ending. An exception of the function is uncaught, as in any callback.
  static void call(napi_env env, napi_value callback, void*, void*) {
    if (env != nullptr) (void)js::Function(env, callback).Call({});
  }

  js::Env env_;
  napi_threadsafe_function function_;
  std::atomic<bool> dead_{false};  // the environment has ended before the waker
  std::atomic<bool> released_{false};
};

}  // namespace ringtap::binding
