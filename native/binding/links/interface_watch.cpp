// listInterfaces() and the class InterfaceWatch: lib/native/native.ts has their types.
//
// Lifetime of a watch: the JavaScript object, the thread-safe function and the environment's cleanup hook may go in any
// order. The thread ends only when told to (close(), garbage collection, or the end of the environment), releases the
// thread-safe function as its last act, and the function's finalizer joins it. When the environment ends, the hook does
// the telling and joins at once: hooks run in reverse order, so the function is still there for the thread to release.

#include "core/links/interface_watch.h"

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "binding/links/interface_object.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "core/util/netns.h"

namespace ringtap::binding {

namespace {

Napi::Array toArray(Napi::Env env, const std::vector<InterfaceInfo>& list) {
  Napi::Array array = Napi::Array::New(env, list.size());
  for (std::uint32_t i = 0; i < list.size(); ++i) array.Set(i, toJs(env, list[i]));
  return array;
}

// A path, or undefined for the namespace of this process.
std::string namespaceOf(Napi::Value path) { return path.IsString() ? path.As<Napi::String>().Utf8Value() : ""; }

// listInterfaces(netns?: string)
Napi::Value listInterfaces(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto monitor = inNamespace(namespaceOf(info[0]), [] { return InterfaceMonitor::open(); });
  if (!monitor) {
    throwError(env, monitor.error());
    return env.Undefined();
  }
  Napi::Array array = Napi::Array::New(env, monitor->interfaces().size());
  std::uint32_t i = 0;
  for (const auto& [index, known] : monitor->interfaces()) array.Set(i++, toJs(env, known));
  return array;
}

// What the JavaScript object and the thread-safe function share. The environment's thread's alone, but for `function`,
// which is set before the thread starts.
struct Shared {
  napi_env env = nullptr;
  napi_threadsafe_function function = nullptr;  // valid until `ended`
  std::unique_ptr<InterfaceWatch> watch;
  napi_deferred closing = nullptr;  // of close()'s promise, while it is pending
  bool closed = false;              // close() was called
  bool ended = false;               // the thread is joined and `function` is gone
  bool hooked = false;
};

void onEnvironmentEnd(void* data) {
  auto& shared = *static_cast<Shared*>(data);
  shared.hooked = false;
  if (!shared.watch) return;
  shared.watch->stop();
  shared.watch->join();
}

// On the watch's thread.
void onReady(void* context) {
  (void)napi_call_threadsafe_function(static_cast<Shared*>(context)->function, nullptr, napi_tsfn_nonblocking);
}
void onEnded(void* context) {
  (void)napi_release_threadsafe_function(static_cast<Shared*>(context)->function, napi_tsfn_release);
}

// On the environment's thread.
void callReady(napi_env env, napi_value callback, void* /*context*/, void* /*data*/) {
  if (env == nullptr || callback == nullptr) return;  // the environment is ending
  napi_value receiver;
  if (napi_get_undefined(env, &receiver) != napi_ok) return;
  (void)napi_call_function(env, receiver, callback, 0, nullptr, nullptr);
}

void onFunctionGone(napi_env env, void* data, void* /*hint*/) {
  const std::unique_ptr<std::shared_ptr<Shared>> holder(static_cast<std::shared_ptr<Shared>*>(data));
  Shared& shared = **holder;
  if (shared.watch) shared.watch->join();
  shared.watch.reset();
  shared.ended = true;
  if (std::exchange(shared.hooked, false)) napi_remove_env_cleanup_hook(shared.env, onEnvironmentEnd, &shared);
  // In an environment that is ending this fails, and nobody waits any more.
  napi_value nothing;
  if (napi_deferred closing = std::exchange(shared.closing, nullptr);
      closing && napi_get_undefined(env, &nothing) == napi_ok) {
    (void)napi_resolve_deferred(env, closing, nothing);
  }
}

class WatchObject : public Napi::ObjectWrap<WatchObject> {
 public:
  static Napi::Function define(Napi::Env env) {
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
  explicit WatchObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<WatchObject>(info), shared_(std::make_shared<Shared>()) {
    const Napi::Env env = info.Env();
    if (info.Length() < 3 || !info[0].IsNumber() || !info[1].IsNumber() || !info[2].IsFunction()) {
      throwError(env, Error{.code = Code::Option, .message = "InterfaceWatch takes two numbers and a function"});
      return;
    }
    const InterfaceWatch::Options options{
        .receiveBuffer = info[0].As<Napi::Number>().Int32Value(),
        .maxQueue = static_cast<std::size_t>(info[1].As<Napi::Number>().Int64Value()),
    };
    shared_->env = env;
    auto* holder = new std::shared_ptr<Shared>(shared_);
    const napi_status status =
        napi_create_threadsafe_function(env, info[2], nullptr, Napi::String::New(env, "ringtap:interfaces"), 0, 1,
                                        holder, onFunctionGone, nullptr, callReady, &shared_->function);
    if (status != napi_ok) {
      delete holder;
      throwError(env, Error{.code = Code::System, .message = "cannot create a thread-safe function"});
      return;
    }
    // Whoever waits for events holds the event loop (ref()); the watch alone does not.
    (void)napi_unref_threadsafe_function(env, shared_->function);

    const InterfaceWatch::Listener listener{.ready = onReady, .ended = onEnded, .context = shared_.get()};
    auto watch = inNamespace(namespaceOf(info[3]), [&] { return InterfaceWatch::start(options, listener); });
    if (!watch) {
      (void)napi_release_threadsafe_function(shared_->function, napi_tsfn_abort);
      shared_->closed = true;
      throwError(env, watch.error());
      return;
    }
    shared_->watch = std::move(*watch);
    shared_->hooked = napi_add_env_cleanup_hook(env, onEnvironmentEnd, shared_.get()) == napi_ok;
  }

  // Collected without close(): the thread ends on its own time. No JavaScript and no Node-API here.
  ~WatchObject() override {
    if (shared_->watch) shared_->watch->stop();
  }

 private:
  Napi::Value interfaces(const Napi::CallbackInfo& info) {
    if (!shared_->watch) return Napi::Array::New(info.Env());
    return toArray(info.Env(), shared_->watch->initial());
  }

  // (limit: number) => NativeInterfaceBatch | undefined
  Napi::Value take(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (shared_->closed || !shared_->watch) return env.Undefined();
    const auto limit = static_cast<std::size_t>(info[0].As<Napi::Number>().Int64Value());
    const InterfaceWatch::Batch batch = shared_->watch->take(limit);
    if (batch.empty()) return env.Undefined();

    Napi::Object object = Napi::Object::New(env);
    Napi::Array events = Napi::Array::New(env, batch.events.size());
    for (std::uint32_t i = 0; i < batch.events.size(); ++i) events.Set(i, toJs(env, batch.events[i]));
    object.Set("events", events);
    if (batch.resync) object.Set("resync", toArray(env, *batch.resync));
    if (batch.error) object.Set("error", toJs(env, *batch.error));
    return object;
  }

  void ref(const Napi::CallbackInfo& info) {
    if (!shared_->closed && !shared_->ended) (void)napi_ref_threadsafe_function(info.Env(), shared_->function);
  }
  void unref(const Napi::CallbackInfo& info) {
    if (!shared_->closed && !shared_->ended) (void)napi_unref_threadsafe_function(info.Env(), shared_->function);
  }

  // A promise that resolves when thread and descriptors are gone. The caller keeps it: a second call gets a resolved
  // one.
  Napi::Value close(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    napi_value promise;
    napi_deferred deferred;
    if (napi_create_promise(env, &deferred, &promise) != napi_ok) return env.Undefined();
    if (std::exchange(shared_->closed, true) || shared_->ended) {
      (void)napi_resolve_deferred(env, deferred, env.Undefined());
    } else {
      shared_->closing = deferred;
      (void)napi_ref_threadsafe_function(env, shared_->function);
      shared_->watch->stop();
    }
    return Napi::Value(env, promise);
  }

  std::shared_ptr<Shared> shared_;
};

}  // namespace

void initInterfaces(Napi::Env env, Napi::Object exports) {
  exports.Set("listInterfaces", Napi::Function::New(env, listInterfaces));
  exports.Set("InterfaceWatch", WatchObject::define(env));
}

}  // namespace ringtap::binding
