#include "binding/record/batches.h"

#include <utility>

#include "binding/owners/owner_watch.h"
#include "binding/record/secrets.h"
#include "binding/savefile/savefile_form.h"
#include "binding/util/errors.h"
#include "core/record/batch_target.h"

namespace ringtap::binding {

namespace {

js::Object toJs(js::Env env, Batch batch) {
  js::Object object = js::Object::New(env);
  object.Set("bytes", js::giveBytes(env, std::move(batch.bytes), batch.length));
  object.Set("packets", batch.counts.packets);
  object.Set("firstTimestamp", js::BigInt::New(env, batch.counts.firstTimestamp));
  object.Set("lastTimestamp", js::BigInt::New(env, batch.counts.lastTimestamp));
  object.Set("droppedByRing", batch.losses.droppedByRing);
  object.Set("droppedByOverflow", batch.losses.droppedByOverflow);
  object.Set("malformed", batch.losses.malformed);
  return object;
}

}  // namespace

js::Value batches(js::Env env, const Fields& options,
                  const std::function<Result<>(std::shared_ptr<Recorder>)>& attach) {
  RecorderOptions request;
  request.form.file = savefileForm(options);
  request.form.rotateBytes = options.large("bytes");
  request.form.rotateMilliseconds = options.number("milliseconds");
  request.filter = options.text("filter");
  request.owners = ownerSourceOf(options["owners"]);
  auto opened = BatchTarget::open({static_cast<std::size_t>(options.large("bytes")),
                                   static_cast<std::size_t>(options.large("memory")),
                                   static_cast<Packing>(options.number("packing"))});
  if (!opened) {
    throwError(env, opened.error());
    return {};
  }
  const std::shared_ptr<BatchTarget> target = std::move(*opened);
  auto recorder = std::make_shared<Recorder>(std::move(request), target);
  if (auto attached = attach(recorder); !attached) {
    throwError(env, attached.error());
    return {};
  }
  js::Object object = js::Object::New(env);
  const auto method = [&](const char* name, auto body) {
    object.Set(name, js::Function::New(
                         env,
                         [recorder, target, body](const js::CallbackInfo& info) {
                           return body(info.Env(), *recorder, *target);
                         },
                         name));
  };
  object.Set("addSecrets", addSecrets(env, recorder));
  method("next", [](js::Env env, Recorder& recorder, BatchTarget& target) -> js::Value {
    auto batch = target.next();
    if (!batch) return env.Undefined();
    recorder.resume();
    return toJs(env, std::move(*batch));
  });
  method("nextFault", [](js::Env env, Recorder& recorder, BatchTarget&) -> js::Value {
    const auto fault = recorder.nextFault();
    return fault ? binding::toJs(env, *fault) : env.Undefined();
  });
  method("ended", [](js::Env env, Recorder& recorder, BatchTarget&) -> js::Value {
    return js::Boolean::New(env, recorder.ended());
  });
  return object;
}

}  // namespace ringtap::binding
