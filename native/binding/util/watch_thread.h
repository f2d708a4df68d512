// The life of a watch: a core object with a thread that it starts itself, behind a JavaScript object.
//
// The thread ends only on close(), garbage collection of the JavaScript object, or the end of the environment. Its last
// act is to wake JavaScript's thread, which joins it and releases the waker. When the environment ends, a cleanup hook
// does all of that synchronously.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "binding/util/js.h"
#include "binding/util/waker.h"

namespace ringtap::binding {

// `Watch` has stop(), which makes its thread end without waiting, and join(), both idempotent. Its thread calls
// notify() as often as it likes, and ended() once, as its last act and only after stop(). Everything else runs on
// JavaScript's thread: prepare(), then the start of the watch, then adopt() or abandon().
//
// Owned by the JavaScript object and by its waker. Dropping the JavaScript object's share without drop() would leave
// the thread running.
template <typename Watch>
class WatchThread : public std::enable_shared_from_this<WatchThread<Watch>> {
 public:
  WatchThread() = default;
  WatchThread(const WatchThread&) = delete;
  WatchThread& operator=(const WatchThread&) = delete;

  // `onNotify` is called on JavaScript's thread after notify(), until the watch is closed. Returns false, with
  // an exception pending unless the environment is ending, if there can be no waker.
  [[nodiscard]] bool prepare(js::Env env, const js::Function& onNotify) {
    waker_ = Waker::make(env, js::Function::New(env, [self = this->shared_from_this()](const js::CallbackInfo& call) {
                           self->onWake(call.Env());
                         }));
    if (!waker_) return false;
    onNotify_ = js::Persistent(onNotify);
    // Only a pending wait keeps the event loop alive (hold()); the watch alone does not.
    waker_->hold(env, false);
    return true;
  }

  // The watch has started, with this object as the context of notify() and ended().
  void adopt(js::Env env, std::shared_ptr<Watch> watch) {
    watch_ = std::move(watch);
    napi_add_env_cleanup_hook(env, &WatchThread::onEnvironmentEnd, this);
  }
  // The watch could not be started.
  void abandon() { waker_->release(); }

  // The listener of the watch. On its thread; the context is the WatchThread.
  static void notify(void* context) { (*static_cast<WatchThread*>(context)->waker_)(); }
  static void ended(void* context) {
    auto* self = static_cast<WatchThread*>(context);
    self->ended_ = true;
    (*self->waker_)();
  }

  // Null before adopt(), and once the thread is joined.
  [[nodiscard]] const std::shared_ptr<Watch>& watch() const { return watch_; }
  [[nodiscard]] bool isOpen() const { return !closed_ && watch_; }

  // Whether the watch keeps the event loop alive.
  void hold(js::Env env, bool held) {
    if (isOpen()) waker_->hold(env, held);
  }

  // Returns a promise that resolves when the thread has ended and its descriptors are closed. Only the first call gets
  // it: later calls get a resolved one, so the caller keeps it.
  js::Value close(js::Env env) {
    napi_value promise;
    napi_deferred deferred;
    if (napi_create_promise(env, &deferred, &promise) != napi_ok) return {};
    if (std::exchange(closed_, true) || !watch_) {
      (void)napi_resolve_deferred(env, deferred, env.Undefined());
    } else {
      closing_ = deferred;
      waker_->hold(env, true);
      watch_->stop();
    }
    return {env, promise};
  }

  // The JavaScript object was collected: stops the thread without waiting; it is joined when the waker is called.
  void drop() {
    if (watch_ && !std::exchange(closed_, true)) watch_->stop();
  }

 private:
  static void onEnvironmentEnd(void* data) {
    auto* self = static_cast<WatchThread*>(data);
    self->closed_ = true;
    self->end();
  }

  // Called by the waker.
  void onWake(js::Env env) {
    if (!ended_) {
      if (!closed_) (void)onNotify_.Value().Call({});
      return;
    }
    if (!watch_) return;
    onNotify_ = {};
    napi_remove_env_cleanup_hook(env, &WatchThread::onEnvironmentEnd, this);
    end();
    if (napi_deferred closing = std::exchange(closing_, nullptr)) {
      (void)napi_resolve_deferred(env, closing, env.Undefined());
    }
  }

  void end() {
    watch_->stop();
    watch_->join();
    watch_.reset();
    waker_->release();
  }

  std::shared_ptr<Waker> waker_;  // made before the thread, which calls it
  std::atomic<bool> ended_{false};
  std::shared_ptr<Watch> watch_;
  js::FunctionReference onNotify_;
  napi_deferred closing_ = nullptr;  // the promise of close() while it is pending
  bool closed_ = false;              // the thread was stopped or has ended
};

}  // namespace ringtap::binding
