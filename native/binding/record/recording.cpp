#include "binding/record/recording.h"

#include <optional>

#include "binding/savefile/savefile_form.h"
#include "binding/util/errors.h"
#include "binding/util/run_async.h"

namespace ringtap::binding {

namespace {

Napi::Value number(Napi::Env env, std::uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

Napi::Object statsToJs(Napi::Env env, const Recorder& recorder) {
  const RecorderStats stats = recorder.stats();
  Napi::Object object = Napi::Object::New(env);
  object.Set("packets", number(env, stats.packets));
  object.Set("packetBytes", number(env, stats.packetBytes));
  object.Set("bytes", number(env, stats.bytes));
  object.Set("files", number(env, stats.files));
  object.Set("dropped", number(env, stats.dropped));
  object.Set("otherLinkType", number(env, stats.otherLinkType));
  object.Set("waiting", number(env, recorder.waiting()));
  return object;
}

Napi::Object wrap(Napi::Env env, const std::shared_ptr<Recorder>& recorder) {
  Napi::Object object = Napi::Object::New(env);
  const auto method = [&](const char* name, auto body) {
    object.Set(
        name, Napi::Function::New(
                  env, [recorder, body](const Napi::CallbackInfo& info) { return body(info.Env(), *recorder); }, name));
  };
  method("nextFile", [](Napi::Env env, Recorder& recorder) -> Napi::Value {
    const auto file = recorder.nextFile();
    return file ? binding::toJs(env, *file) : env.Undefined();
  });
  method("nextFault", [](Napi::Env env, Recorder& recorder) -> Napi::Value {
    const auto fault = recorder.nextFault();
    return fault ? binding::toJs(env, *fault) : env.Undefined();
  });
  method("stats", [](Napi::Env env, Recorder& recorder) -> Napi::Value { return statsToJs(env, recorder); });
  method("ended",
         [](Napi::Env env, Recorder& recorder) -> Napi::Value { return Napi::Boolean::New(env, recorder.ended()); });
  return object;
}

}  // namespace

Napi::Value record(Napi::Env env, Napi::Object options, Napi::Object capture,
                   std::function<Result<>(std::shared_ptr<Recorder>)> attach) {
  const auto value = [&](const char* name) { return options.Get(name).As<Napi::Number>(); };
  const auto large = [&](const char* name) { return static_cast<std::uint64_t>(value(name).DoubleValue()); };
  RecorderOptions request;
  request.form.file = savefileForm(options);
  request.files.path = options.Get("path").As<Napi::String>().Utf8Value();
  request.files.keep = value("keep").Uint32Value();
  request.files.minimumFree = large("minimumFree");
  request.files.sync = static_cast<FileSetOptions::Sync>(value("sync").Uint32Value());
  request.files.syncMilliseconds = value("syncMilliseconds").Uint32Value();
  request.form.rotateBytes = large("rotateBytes");
  request.form.rotatePackets = large("rotatePackets");
  request.form.rotateMilliseconds = value("rotateMilliseconds").Uint32Value();
  request.form.linkType = static_cast<std::uint16_t>(value("linkType").Uint32Value());
  const Napi::Value filter = options.Get("filter");
  if (filter.IsString()) request.filter = filter.As<Napi::String>().Utf8Value();
  return runAsync(
      env, "ringtap record", [request = std::move(request)]() mutable { return Recorder::open(std::move(request)); },
      [attach = std::move(attach), kept = Napi::Persistent(capture)](
          Napi::Env env, Result<std::shared_ptr<Recorder>>& opened) -> Result<Napi::Value> {
        if (!opened) return std::move(opened.error());
        if (auto attached = attach(*opened); !attached) {
          (*opened)->discard();
          return std::move(attached.error());
        }
        return wrap(env, *opened);
      });
}

}  // namespace ringtap::binding
