// The class OwnerWatch: lib/owners/native.ts has its type.
//
// Recorders share the watch: OwnerSource::ended() tells them that its thread has ended, and they keep at most its
// memory.
#include "core/owners/owner_watch.h"

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "binding/owners/owner_watch.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/watch_thread.h"
#include "core/linux/netns.h"

namespace ringtap::binding {

namespace {

// Objects of processes that are kept for the next packet.
constexpr std::size_t kMaxObjects = 4096;

using WatchHandle = js::External<std::weak_ptr<OwnerWatch>>;

using WatchedOwners = WatchThread<OwnerWatch>;

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
  explicit OwnersObject(const js::CallbackInfo& info) {
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
    if (!thread_->prepare(env, info[1].As<js::Function>())) return;
    const OwnerWatch::Listener listener{
        .swept = &WatchedOwners::notify, .ended = &WatchedOwners::ended, .context = thread_.get()};
    auto watch = inNamespace(given.text("netns"), [&] { return OwnerWatch::start(options, listener); });
    if (!watch) {
      thread_->abandon();
      throwError(env, watch.error());
      return;
    }
    thread_->adopt(env, std::move(*watch));
  }

  ~OwnersObject() override { thread_->drop(); }

 private:
  js::Value ask(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    return js::Number::New(env, thread_->isOpen() ? static_cast<double>(thread_->watch()->ask()) : 0);
  }

  js::Value answered(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    return js::Number::New(env, thread_->isOpen() ? static_cast<double>(thread_->watch()->answered()) : 0);
  }

  // (held: boolean): whether it keeps the event loop alive.
  void hold(const js::CallbackInfo& info) { thread_->hold(info.Env(), info[0].As<js::Boolean>().Value()); }

  // For ownerSourceOf(). It does not keep the watch.
  js::Value handle(const js::CallbackInfo& info) {
    return WatchHandle::New(info.Env(), std::make_unique<std::weak_ptr<OwnerWatch>>(thread_->watch()));
  }

  // (key: Uint32Array, reversed: boolean): lib/owners/owner-key.ts has the layout of the key; reversed: of its
  // destination. Returns [source, gap, inode of the namespace, ...processes].
  js::Value find(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    const auto [key, length] = info[0].As<js::Uint32Array>().elements();
    if (!thread_->isOpen() || length < kKeyWords) return env.Undefined();
    const bool reversed = info[1].As<js::Boolean>().Value();
    SocketEnds ends{.protocol = static_cast<std::uint8_t>(key[0]),
                    .localPort = static_cast<std::uint16_t>(key[reversed ? 2 : 1]),
                    .remotePort = static_cast<std::uint16_t>(key[reversed ? 1 : 2]),
                    .local = addressAt(key + (reversed ? 7 : 3)),
                    .remote = addressAt(key + (reversed ? 3 : 7))};
    const std::uint64_t time = std::uint64_t{key[11]} * 1'000'000'000 + key[12];
    const Ownership owners = thread_->watch()->find(ends, time);
    const bool found = owners.source != Ownership::Source::None || owners.gap == Ownership::Gap::Hidden;
    const double inode = found ? static_cast<double>(thread_->watch()->inodeOf(owners.space)) : 0;
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
    if (objects_.size() >= kMaxObjects) objects_.clear();
    const js::Object made = objectOf(env, record);
    objects_[record.id] = js::Persistent(made);
    return made;
  }

  js::Value stats(const js::CallbackInfo& info) {
    const js::Env env = info.Env();
    if (!thread_->isOpen()) return env.Undefined();
    const OwnerStats stats = thread_->watch()->stats();
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

  js::Value close(const js::CallbackInfo& info) { return thread_->close(info.Env()); }

  const std::shared_ptr<WatchedOwners> thread_ = std::make_shared<WatchedOwners>();
  std::unordered_map<std::uint32_t, js::ObjectReference> objects_;  // by id of the record
};

}  // namespace

std::shared_ptr<OwnerSource> ownerSourceOf(const js::Value& value) {
  const auto* watch = value.As<WatchHandle>().Data();
  return watch == nullptr ? nullptr : watch->lock();
}

void initOwners(js::Env env, js::Object exports) { exports.Set("OwnerWatch", OwnersObject::define(env)); }

}  // namespace ringtap::binding
