#include "binding/record/recording.h"

#include <optional>

#include "binding/savefile/savefile_form.h"
#include "binding/util/errors.h"
#include "binding/util/run_async.h"

namespace ringtap::binding {

namespace {

js::Object statsToJs(js::Env env, const Recorder& recorder) {
  const RecorderStats stats = recorder.stats();
  js::Object object = js::Object::New(env);
  object.Set("packets", stats.packets);
  object.Set("packetBytes", stats.packetBytes);
  object.Set("bytes", stats.bytes);
  object.Set("files", stats.files);
  object.Set("dropped", stats.dropped);
  object.Set("otherLinkType", stats.otherLinkType);
  object.Set("waiting", recorder.waiting());
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

js::Value record(js::Env env, const Fields& options, js::Object capture,
                 std::function<Result<>(std::shared_ptr<Recorder>)> attach) {
  RecorderOptions request;
  request.form.file = savefileForm(options);
  request.files.path = options.text("path");
  request.files.keep = options.number("keep");
  request.files.minimumFree = options.large("minimumFree");
  request.files.sync = static_cast<FileSetOptions::Sync>(options.number("sync"));
  request.files.syncMilliseconds = options.number("syncMilliseconds");
  request.form.rotateBytes = options.large("rotateBytes");
  request.form.rotatePackets = options.large("rotatePackets");
  request.form.rotateMilliseconds = options.number("rotateMilliseconds");
  request.form.linkType = static_cast<std::uint16_t>(options.number("linkType"));
  request.filter = options.text("filter");
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
