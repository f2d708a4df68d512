// listInterfaces() and the class InterfaceWatch: lib/native/native.ts has their types.

#include "core/links/interface_watch.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/links/interface_object.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/watch_thread.h"
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

using WatchedInterfaces = WatchThread<InterfaceWatch>;

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
  explicit WatchObject(const js::CallbackInfo& info) {
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
    if (!thread_->prepare(env, info[2].As<js::Function>())) return;
    const InterfaceWatch::Listener listener{
        .ready = &WatchedInterfaces::notify, .ended = &WatchedInterfaces::ended, .context = thread_.get()};
    auto watch = inNamespace(netns, [&] { return InterfaceWatch::start(options, listener); });
    if (!watch) {
      thread_->abandon();
      throwError(env, watch.error());
      return;
    }
    thread_->adopt(env, std::move(*watch));
  }

  ~WatchObject() override { thread_->drop(); }

 private:
  js::Value interfaces(const js::CallbackInfo& info) {
    if (!thread_->watch()) return js::Array::New(info.Env());
    return toArray(info.Env(), thread_->watch()->initial());
  }

  // (limit: number) => NativeInterfaceBatch | undefined
  js::Value take(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    if (!thread_->isOpen()) return env.Undefined();
    const auto limit = static_cast<std::size_t>(info[0].As<js::Number>().Int64Value());
    const InterfaceWatch::Batch batch = thread_->watch()->take(limit);
    if (batch.empty()) return env.Undefined();

    js::Object object = js::Object::New(env);
    object.Set("events", listOf(env, batch.events, [env](const InterfaceEvent& event) { return toJs(env, event); }));
    if (batch.resync) object.Set("resync", toArray(env, *batch.resync));
    if (batch.error) object.Set("error", toJs(env, *batch.error));
    return object;
  }

  void ref(const js::CallbackInfo& info) { thread_->hold(info.Env(), true); }
  void unref(const js::CallbackInfo& info) { thread_->hold(info.Env(), false); }

  js::Value close(const js::CallbackInfo& info) { return thread_->close(info.Env()); }

  const std::shared_ptr<WatchedInterfaces> thread_ = std::make_shared<WatchedInterfaces>();
};

}  // namespace

void initInterfaces(js::Env env, js::Object exports) {
  exportFunction(env, exports, "listInterfaces", listInterfaces);
  exports.Set("InterfaceWatch", WatchObject::define(env));
}

}  // namespace ringtap::binding
