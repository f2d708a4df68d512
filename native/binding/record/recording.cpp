#include "binding/record/recording.h"

#include <optional>

#include "binding/owners/owner_watch.h"
#include "binding/record/secrets.h"
#include "binding/savefile/savefile_form.h"
#include "binding/util/errors.h"
#include "binding/util/run_async.h"
#include "core/record/file_target.h"

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

// An opened recording: its recorder, and the files it writes.
struct Opened {
  std::shared_ptr<Recorder> recorder;
  std::shared_ptr<FileTarget> files;
};

js::Object wrap(js::Env env, const Opened& opened) {
  const std::shared_ptr<Recorder>& recorder = opened.recorder;
  js::Object object = js::Object::New(env);
  const auto method = [&](const char* name, auto body) {
    object.Set(name,
               js::Function::New(
                   env, [recorder, body](const js::CallbackInfo& info) { return body(info.Env(), *recorder); }, name));
  };
  object.Set("addSecrets", addSecrets(env, recorder));
  method("nextFile", [files = opened.files](js::Env env, Recorder&) -> js::Value {
    const auto file = files->nextFile();
    return file ? binding::toJs(env, *file) : env.Undefined();
  });
  // releaseFile(): Promise<void>
  method("releaseFile", [files = opened.files](js::Env env, Recorder&) -> js::Value {
    return runAsync(
        env, "ringtap release",
        [files]() -> Result<> {
          files->release();
          return {};
        },
        Where::OwnThread);
  });
  method("nextFault", [](js::Env env, Recorder& recorder) -> js::Value {
    const auto fault = recorder.nextFault();
    return fault ? binding::toJs(env, *fault) : env.Undefined();
  });
  method("stats", [](js::Env env, Recorder& recorder) -> js::Value { return statsToJs(env, recorder); });
  method("marksPassed", [](js::Env env, Recorder& recorder) -> js::Value {
    return js::Number::New(env, static_cast<double>(recorder.marksPassed()));
  });
  method("ended", [](js::Env env, Recorder& recorder) -> js::Value { return js::Boolean::New(env, recorder.ended()); });
  return object;
}

}  // namespace

js::Value record(js::Env env, const Fields& options, js::Object capture,
                 std::function<Result<>(std::shared_ptr<Recorder>)> attach) {
  RecorderOptions request;
  request.form.file = savefileForm(options);
  request.form.rotateBytes = options.large("rotateBytes");
  request.form.rotatePackets = options.large("rotatePackets");
  request.form.rotateMilliseconds = options.number("rotateMilliseconds");
  request.form.linkType = static_cast<std::uint16_t>(options.number("linkType"));
  request.filter = options.text("filter");
  request.owners = ownerSourceOf(options["owners"]);
  FileSetOptions files;
  files.path = options.text("path");
  files.standardOutput = options.flag("standardOutput");
  files.keep = options.number("keep");
  files.held = options.flag("held");
  files.minimumFree = options.large("minimumFree");
  files.sync = static_cast<FileSetOptions::Sync>(options.number("sync"));
  files.syncMilliseconds = options.number("syncMilliseconds");
  return runAsync(
      env, "ringtap record",
      [request = std::move(request), files = std::move(files),
       packing = static_cast<Packing>(options.number("packing"))]() mutable -> Result<Opened> {
        auto target = FileTarget::open(std::move(files), request.form.file, packing);
        if (!target) return std::move(target.error());
        return Opened{std::make_shared<Recorder>(std::move(request), *target), *target};
      },
      [attach = std::move(attach), kept = js::Persistent(capture)](js::Env env,
                                                                   Result<Opened>& opened) -> Result<js::Value> {
        if (!opened) return std::move(opened.error());
        if (auto attached = attach(opened->recorder); !attached) {
          opened->recorder->discard();
          return std::move(attached.error());
        }
        return wrap(env, *opened);
      });
}

}  // namespace ringtap::binding
