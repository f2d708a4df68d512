#include "binding/record/recording.h"

#include <optional>

#include "binding/savefile/savefile_form.h"
#include "binding/util/errors.h"

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

class RecordWorker final : public Napi::AsyncWorker {
 public:
  RecordWorker(Napi::Env env, RecorderOptions options, Napi::Object capture,
               std::function<Result<>(std::shared_ptr<Recorder>)> attach)
      : Napi::AsyncWorker(env, "ringtap record"),
        deferred_(Napi::Promise::Deferred::New(env)),
        options_(std::move(options)),
        capture_(Napi::Persistent(capture)),
        attach_(std::move(attach)) {}
  Napi::Promise promise() { return deferred_.Promise(); }

 private:
  void Execute() override {
    auto opened = Recorder::open(std::move(options_));
    if (opened) recorder_ = std::move(*opened);
    else error_ = std::move(opened.error());
  }
  void OnOK() override {
    if (!error_) {
      if (auto attached = attach_(recorder_); !attached) {
        recorder_->discard();
        error_ = std::move(attached.error());
      }
    }
    if (error_) deferred_.Reject(binding::toJs(Env(), *error_));
    else deferred_.Resolve(wrap(Env(), recorder_));
  }

  Napi::Promise::Deferred deferred_;
  RecorderOptions options_;
  Napi::ObjectReference capture_;
  std::function<Result<>(std::shared_ptr<Recorder>)> attach_;
  std::shared_ptr<Recorder> recorder_;
  std::optional<Error> error_;
};

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
  auto* worker = new RecordWorker(env, std::move(request), capture, std::move(attach));
  worker->Queue();
  return worker->promise();
}

}  // namespace ringtap::binding
