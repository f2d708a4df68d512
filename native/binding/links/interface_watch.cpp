// listInterfaces() and the class InterfaceWatch: lib/native/native.ts has their types.
//
// Lifetime of a watch: its thread ends only on close(), garbage collection of the JavaScript object, or the end of the
// environment. Its last act is to wake JavaScript's thread, which joins it and releases the waker. When the environment
// ends, a cleanup hook does all of that synchronously.

#include "core/links/interface_watch.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/links/interface_object.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/waker.h"
#include "core/linux/netns.h"

namespace ringtap::binding {

namespace {

js::Array toArray(js::Env env, const std::vector<InterfaceInfo>& list) {
  return listOf(env, list, [env](const InterfaceInfo& interface) { return toJs(env, interface); });
}

// listInterfaces(netns?: string). Without a path: the namespace of this process.
js::Value listInterfaces(const js::CallbackInfo& info) {
  const js::Env env = info.Env();
  auto monitor = inNamespace(info[0].As<js::String>().Utf8Value(), [] { return InterfaceMonitor::open(); });
  if (!monitor) {
    throwError(env, monitor.error());
    return env.Undefined();
  }
  return listOf(env, monitor->interfaces(), [env](const auto& entry) { return toJs(env, entry.second); });
}

// Shared by the JavaScript object and its waker. Used on JavaScript's thread only, except by onReady().
struct Watch {
  std::shared_ptr<Waker> waker;  // made before the thread, which calls it
  std::atomic<bool> ended{false};
  std::unique_ptr<InterfaceWatch> watch;  // null before it is started and after its thread is joined
  js::FunctionReference onReady;
  napi_deferred closing = nullptr;  // the promise of close() while it is pending
  bool closed = false;              // the thread was stopped or has ended
};

void onEnvironmentEnd(void* data) {
  auto& shared = *static_cast<Watch*>(data);
  shared.closed = true;
  shared.watch.reset();  // stops and joins
  shared.waker->release();
}

// Runs on the watch's thread.
void onReady(void* context) { (*static_cast<Watch*>(context)->waker)(); }
void onEnded(void* context) {
  auto& shared = *static_cast<Watch*>(context);
  shared.ended = true;
  (*shared.waker)();
}

// Called by the waker.
void onWake(js::Env env, Watch& shared) {
  if (!shared.ended) {
    if (!shared.closed) (void)shared.onReady.Value().Call({});
    return;
  }
  if (!shared.watch) return;
  shared.watch.reset();
  shared.onReady = {};
  napi_remove_env_cleanup_hook(env, onEnvironmentEnd, &shared);
  shared.waker->release();
  if (napi_deferred closing = std::exchange(shared.closing, nullptr)) {
    (void)napi_resolve_deferred(env, closing, env.Undefined());
  }
}

class WatchObject : public js::ObjectWrap<WatchObject> {
 public:
  static js::Function define(js::Env env) {
    return DefineClass(env, "InterfaceWatch",
                       {
                           InstanceMethod<&WatchObject::interfaces>("interfaces"),
                           InstanceMethod<&WatchObject::take>("take"),
                           InstanceMethod<&WatchObject::ref>("ref"),
                           InstanceMethod<&WatchObject::unref>("unref"),
                           InstanceMethod<&WatchObject::close>("close"),
                       });
  }

  // (receiveBuffer: number, maxQueue: number, onReady: () => void, netns?: string)
  explicit WatchObject(const js::CallbackInfo& info) : shared_(std::make_shared<Watch>()) {
    const js::Env env = info.Env();
    if (info.Length() < 3 || !info[0].IsNumber() || !info[1].IsNumber() || !info[2].IsFunction()) {
      throwError(env, Error{.code = Code::Option, .message = "InterfaceWatch takes two numbers and a function"});
      return;
    }
    const InterfaceWatch::Options options{
        .receiveBuffer = info[0].As<js::Number>().Int32Value(),
        .maxQueue = static_cast<std::size_t>(info[1].As<js::Number>().Int64Value()),
    };
    const std::string netns = info[3].As<js::String>().Utf8Value();
    if (!env.canRun()) return;
    shared_->onReady = js::Persistent(info[2].As<js::Function>());
    shared_->waker = Waker::make(
        env, js::Function::New(env, [shared = shared_](const js::CallbackInfo& call) { onWake(call.Env(), *shared); }));
    if (!shared_->waker) return;
    // Only a pending wait for events keeps the event loop alive (ref()); the watch alone does not.
    shared_->waker->hold(env, false);

    const InterfaceWatch::Listener listener{.ready = onReady, .ended = onEnded, .context = shared_.get()};
    auto watch = inNamespace(netns, [&] { return InterfaceWatch::start(options, listener); });
    if (!watch) {
      shared_->waker->release();
      throwError(env, watch.error());
      return;
    }
    shared_->watch = std::move(*watch);
    napi_add_env_cleanup_hook(env, onEnvironmentEnd, shared_.get());
  }

  // Collected without close(): stops the thread without waiting; it is joined when the waker is called.
  ~WatchObject() override {
    if (shared_->watch && !std::exchange(shared_->closed, true)) shared_->watch->stop();
  }

 private:
  js::Value interfaces(const js::CallbackInfo& info) {
    if (!shared_->watch) return js::Array::New(info.Env());
    return toArray(info.Env(), shared_->watch->initial());
  }

  // (limit: number) => NativeInterfaceBatch | undefined
  js::Value take(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    if (shared_->closed || !shared_->watch) return env.Undefined();
    const auto limit = static_cast<std::size_t>(info[0].As<js::Number>().Int64Value());
    const InterfaceWatch::Batch batch = shared_->watch->take(limit);
    if (batch.empty()) return env.Undefined();

    js::Object object = js::Object::New(env);
    object.Set("events", listOf(env, batch.events, [env](const InterfaceEvent& event) { return toJs(env, event); }));
    if (batch.resync) object.Set("resync", toArray(env, *batch.resync));
    if (batch.error) object.Set("error", toJs(env, *batch.error));
    return object;
  }

  void ref(const js::CallbackInfo& info) {
    if (!shared_->closed) shared_->waker->hold(info.Env(), true);
  }
  void unref(const js::CallbackInfo& info) {
    if (!shared_->closed) shared_->waker->hold(info.Env(), false);
  }

  // Returns a promise that resolves when the thread has ended and the descriptors are closed. Only the first call gets
  // it: later calls get a resolved one, so the caller keeps it.
  js::Value close(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    napi_value promise;
    napi_deferred deferred;
    if (napi_create_promise(env, &deferred, &promise) != napi_ok) return {};
    if (std::exchange(shared_->closed, true) || !shared_->watch) {
      (void)napi_resolve_deferred(env, deferred, env.Undefined());
    } else {
      shared_->closing = deferred;
      shared_->waker->hold(env, true);
      shared_->watch->stop();
    }
    return {env, promise};
  }

  std::shared_ptr<Watch> shared_;
};

}  // namespace

void initInterfaces(js::Env env, js::Object exports) {
  exportFunction(env, exports, "listInterfaces", listInterfaces);
  exports.Set("InterfaceWatch", WatchObject::define(env));
}

}  // namespace ringtap::binding
