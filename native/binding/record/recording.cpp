#include "binding/record/recording.h"

#include <optional>

#include "binding/savefile/savefile_form.h"
#include "binding/util/errors.h"
#include "binding/util/run_async.h"

namespace ringtap::binding {

namespace {

js::Value number(js::Env env, std::uint64_t value) { return js::Number::New(env, static_cast<double>(value)); }

js::Object statsToJs(js::Env env, const Recorder& recorder) {
  const RecorderStats stats = recorder.stats();
  js::Object object = js::Object::New(env);
  object.Set("packets", number(env, stats.packets));
  object.Set("packetBytes", number(env, stats.packetBytes));
  object.Set("bytes", number(env, stats.bytes));
  object.Set("files", number(env, stats.files));
  object.Set("dropped", number(env, stats.dropped));
  object.Set("otherLinkType", number(env, stats.otherLinkType));
  object.Set("waiting", number(env, recorder.waiting()));
  return object;
}

js::Object wrap(js::Env env, const std::shared_ptr<Recorder>& recorder) {
  js::Object object = js::Object::New(env);
  const auto method = [&](const char* name, auto body) {
    object.Set(name,
               js::Function::New(
                   env, [recorder, body](const js::CallbackInfo& info) { return body(info.Env(), *recorder); }, name));
  };
  method("nextFile", [](js::Env env, Recorder& recorder) -> js::Value {
    const auto file = recorder.nextFile();
    return file ? binding::toJs(env, *file) : env.Undefined();
  });
  method("nextFault", [](js::Env env, Recorder& recorder) -> js::Value {
    const auto fault = recorder.nextFault();
    return fault ? binding::toJs(env, *fault) : env.Undefined();
  });
  method("stats", [](js::Env env, Recorder& recorder) -> js::Value { return statsToJs(env, recorder); });
  method("ended", [](js::Env env, Recorder& recorder) -> js::Value { return js::Boolean::New(env, recorder.ended()); });
  return object;
}

}  // namespace

js::Value record(js::Env env, js::Object options, js::Object capture,
                 std::function<Result<>(std::shared_ptr<Recorder>)> attach) {
  const auto value = [&](const char* name) { return options.Get(name).As<js::Number>(); };
  const auto large = [&](const char* name) { return static_cast<std::uint64_t>(value(name).DoubleValue()); };
  RecorderOptions request;
  request.form.file = savefileForm(options);
  request.files.path = options.Get("path").As<js::String>().Utf8Value();
  request.files.keep = value("keep").Uint32Value();
  request.files.minimumFree = large("minimumFree");
  request.files.sync = static_cast<FileSetOptions::Sync>(value("sync").Uint32Value());
  request.files.syncMilliseconds = value("syncMilliseconds").Uint32Value();
  request.form.rotateBytes = large("rotateBytes");
  request.form.rotatePackets = large("rotatePackets");
  request.form.rotateMilliseconds = value("rotateMilliseconds").Uint32Value();
  request.form.linkType = static_cast<std::uint16_t>(value("linkType").Uint32Value());
  const js::Value filter = options.Get("filter");
  if (filter.IsString()) request.filter = filter.As<js::String>().Utf8Value();
  return runAsync(
      env, "ringtap record", [request = std::move(request)]() mutable { return Recorder::open(std::move(request)); },
      [attach = std::move(attach), kept = js::Persistent(capture)](
          js::Env env, Result<std::shared_ptr<Recorder>>& opened) -> Result<js::Value> {
        if (!opened) return std::move(opened.error());
        if (auto attached = attach(*opened); !attached) {
          (*opened)->discard();
          return std::move(attached.error());
        }
        return wrap(env, *opened);
      });
}

}  // namespace ringtap::binding
