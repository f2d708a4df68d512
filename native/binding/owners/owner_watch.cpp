// The class OwnerWatch: lib/owners/native.ts has its type.
//
// Lifetime: as that of InterfaceWatch (links/interface_watch.cpp). The thread ends only on close(), garbage collection
// of the JavaScript object, or the end of the environment; its last act is to wake JavaScript's thread, which joins it.
// Recorders that share the watch find it ended from then on, and keep at most its memory.
#include "core/owners/owner_watch.h"

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "binding/owners/owner_watch.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/waker.h"
#include "core/linux/netns.h"

namespace ringtap::binding {

namespace {

// Objects of processes that are kept for the next packet.
constexpr std::size_t kMostObjects = 4096;

using WatchHandle = js::External<std::weak_ptr<OwnerWatch>>;

// Shared by the JavaScript object and its waker. Used on JavaScript's thread only, except by the listener.
struct Owners {
  std::shared_ptr<Waker> waker;  // made before the thread, which calls it
  std::atomic<bool> ended{false};
  std::shared_ptr<OwnerWatch> watch;  // null before it is started and after its thread is joined
  js::FunctionReference onSwept;
  napi_deferred closing = nullptr;  // the promise of close() while it is pending
  bool closed = false;
};

void onEnvironmentEnd(void* data) {
  auto& shared = *static_cast<Owners*>(data);
  shared.closed = true;
  if (shared.watch) {
    shared.watch->stop();
    shared.watch->join();
    shared.watch.reset();
  }
  shared.waker->release();
}

void onSwept(void* context) { (*static_cast<Owners*>(context)->waker)(); }
void onEnded(void* context) {
  auto& shared = *static_cast<Owners*>(context);
  shared.ended = true;
  (*shared.waker)();
}

// Called by the waker.
void onWake(js::Env env, Owners& shared) {
  if (!shared.ended) {
    if (!shared.closed) (void)shared.onSwept.Value().Call({});
    return;
  }
  if (!shared.watch) return;
  shared.watch->join();
  shared.watch.reset();
  shared.onSwept = {};
  napi_remove_env_cleanup_hook(env, onEnvironmentEnd, &shared);
  shared.waker->release();
  if (napi_deferred closing = std::exchange(shared.closing, nullptr)) {
    (void)napi_resolve_deferred(env, closing, env.Undefined());
  }
}

js::Object objectOf(js::Env env, const ProcessRecord& record) {
  js::Object object = js::Object::New(env);
  object.Set("pid", js::Number::New(env, record.pid));
  object.Set("name", js::String::New(env, record.name));
  object.Set("command", toJs(env, record.command));
  if (record.uid) object.Set("uid", js::Number::New(env, *record.uid));
  object.Set("cgroup", js::String::New(env, record.cgroup));
  return object;
}

constexpr std::size_t kKeyWords = 13;

// An address of four words, each the value of four bytes in network order.
OwnerAddress addressAt(const std::uint32_t* words) {
  OwnerAddress address{};
  for (std::size_t byte = 0; byte < address.size(); ++byte) {
    address[byte] = static_cast<std::uint8_t>(words[byte / 4] >> (24 - 8 * (byte % 4)));
  }
  return address;
}

class OwnersObject : public js::ObjectWrap<OwnersObject> {
 public:
  static js::Function define(js::Env env) {
    return DefineClass(env, "OwnerWatch",
                       {
                           InstanceMethod<&OwnersObject::ask>("ask"),
                           InstanceMethod<&OwnersObject::answered>("answered"),
                           InstanceMethod<&OwnersObject::find>("find"),
                           InstanceMethod<&OwnersObject::stats>("stats"),
                           InstanceMethod<&OwnersObject::hold>("hold"),
                           InstanceMethod<&OwnersObject::handle>("handle"),
                           InstanceMethod<&OwnersObject::close>("close"),
                       });
  }

  // (options: NativeOwnerOptions, onSwept: () => void)
  explicit OwnersObject(const js::CallbackInfo& info) : shared_(std::make_shared<Owners>()) {
    const js::Env env = info.Env();
    if (info.Length() < 2 || !info[0].IsObject() || !info[1].IsFunction()) {
      throwError(env, Error{.code = Code::Option, .message = "OwnerWatch takes options and a function"});
      return;
    }
    const Fields given(info[0]);
    const OwnerWatch::Options options{.procfs = given.text("procfs"),
                                      .directories = given.texts("directories"),
                                      .everySpace = given.flag("everySpace"),
                                      .memory = static_cast<std::size_t>(given.large("memory")),
                                      .history = given.large("history"),
                                      .interval = given.large("interval")};
    if (!env.canRun()) return;
    shared_->onSwept = js::Persistent(info[1].As<js::Function>());
    shared_->waker = Waker::make(
        env, js::Function::New(env, [shared = shared_](const js::CallbackInfo& call) { onWake(call.Env(), *shared); }));
    if (!shared_->waker) return;
    // Only a pending question keeps the event loop alive (hold()).
    shared_->waker->hold(env, false);
    const OwnerWatch::Listener listener{.swept = onSwept, .ended = onEnded, .context = shared_.get()};
    auto watch = inNamespace(given.text("netns"), [&] { return OwnerWatch::start(options, listener); });
    if (!watch) {
      shared_->waker->release();
      throwError(env, watch.error());
      return;
    }
    shared_->watch = std::move(*watch);
    napi_add_env_cleanup_hook(env, onEnvironmentEnd, shared_.get());
  }

  // Collected without close(): stops the thread without waiting; it is joined when the waker is called.
  ~OwnersObject() override {
    if (shared_->watch && !std::exchange(shared_->closed, true)) shared_->watch->stop();
  }

 private:
  [[nodiscard]] bool open() const { return !shared_->closed && shared_->watch; }

  js::Value ask(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    return js::Number::New(env, open() ? static_cast<double>(shared_->watch->ask()) : 0);
  }

  js::Value answered(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    return js::Number::New(env, open() ? static_cast<double>(shared_->watch->answered()) : 0);
  }

  // (held: boolean): whether it keeps the event loop alive.
  void hold(const js::CallbackInfo& info) {
    if (open()) shared_->waker->hold(info.Env(), info[0].As<js::Boolean>().Value());
  }

  // For ownerSourceOf(). It does not keep the watch.
  js::Value handle(const js::CallbackInfo& info) {
    return WatchHandle::New(info.Env(), std::make_unique<std::weak_ptr<OwnerWatch>>(shared_->watch));
  }

  // (key: Uint32Array, reversed: boolean): lib/owners/owner-key.ts has the layout of the key; reversed: of its
  // destination. Returns [source, gap, inode of the namespace, ...processes].
  js::Value find(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    const auto [key, length] = info[0].As<js::Uint32Array>().elements();
    if (!open() || length < kKeyWords) return env.Undefined();
    const bool reversed = info[1].As<js::Boolean>().Value();
    SocketEnds ends{.protocol = static_cast<std::uint8_t>(key[0]),
                    .localPort = static_cast<std::uint16_t>(key[reversed ? 2 : 1]),
                    .remotePort = static_cast<std::uint16_t>(key[reversed ? 1 : 2]),
                    .local = addressAt(key + (reversed ? 7 : 3)),
                    .remote = addressAt(key + (reversed ? 3 : 7))};
    const std::uint64_t time = std::uint64_t{key[11]} * 1'000'000'000 + key[12];
    const Ownership owners = shared_->watch->find(ends, time);
    const bool found = owners.source != Ownership::Source::None || owners.gap == Ownership::Gap::Hidden;
    const double inode = found ? static_cast<double>(shared_->watch->inodeOf(owners.space)) : 0;
    js::Array list = js::Array::New(env, 3 + owners.processes.size());
    list.Set(0, js::Number::New(env, static_cast<double>(owners.source)));
    list.Set(1, js::Number::New(env, static_cast<double>(owners.gap)));
    list.Set(2, js::Number::New(env, inode));
    std::uint32_t at = 3;
    for (const ProcessPointer& one : owners.processes) list.Set(at++, object(env, *one));
    return list;
  }

  // The same object for the same record, as long as it is among the kept ones.
  js::Object object(js::Env env, const ProcessRecord& record) {
    const auto found = objects_.find(record.id);
    if (found != objects_.end()) return found->second.Value();
    if (objects_.size() >= kMostObjects) objects_.clear();
    const js::Object made = objectOf(env, record);
    objects_[record.id] = js::Persistent(made);
    return made;
  }

  js::Value stats(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    if (!open()) return env.Undefined();
    const OwnerStats stats = shared_->watch->stats();
    js::Object object = js::Object::New(env);
    const std::pair<const char*, std::uint64_t> numbers[] = {
        {"open", stats.open},
        {"ended", stats.kept},
        {"refused", stats.refused},
        {"bytes", stats.bytes},
        {"processes", stats.processes},
        {"namespaces", stats.spaces},
        {"sweeps", stats.sweeps},
        {"missed", stats.missed},
        {"hiddenProcesses", stats.hidden},
        {"hiddenNamespaces", stats.hiddenSpaces},
        {"closedNamespaces", stats.closedSpaces},
    };
    for (const auto& [name, value] : numbers) object.Set(name, js::Number::New(env, static_cast<double>(value)));
    object.Set("makers", js::Boolean::New(env, stats.births));
    object.Set("withoutMakers", js::String::New(env, stats.withoutBirths));
    return object;
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

  std::shared_ptr<Owners> shared_;
  std::unordered_map<std::uint32_t, js::ObjectReference> objects_;  // by id of the record
};

}  // namespace

std::shared_ptr<OwnerSource> ownerSourceOf(const js::Value& value) {
  const auto* watch = value.As<WatchHandle>().Data();
  return watch == nullptr ? nullptr : watch->lock();
}

void initOwners(js::Env env, js::Object exports) { exports.Set("OwnerWatch", OwnersObject::define(env)); }

}  // namespace ringtap::binding
