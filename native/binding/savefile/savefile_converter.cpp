// The native side of lib/savefile/convert-files.ts: a thread that reads, merges and writes savefiles.
#include "core/savefile/savefile_converter.h"

#include <memory>
#include <string>
#include <utility>

#include "binding/savefile/savefile_events.h"
#include "binding/savefile/savefile_form.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/job.h"
#include "binding/util/js.h"

namespace ringtap::binding {

namespace {

using ConvertJob = Job<SavefileConverter>;

// startConvert(options: NativeConvertOptions, onEnd: () => void): ConvertHandle. onEnd is also called for questions.
js::Value start(const js::CallbackInfo& info) {
  const Fields given(info[0]);
  ConvertOptions options;
  options.inputs = given.texts("inputs");
  options.files.path = given.text("output");
  options.byTime = given.flag("byTime");
  options.filter = given.optionalText("filter");
  options.from = given["from"].As<js::BigInt>().Uint64Value();
  options.to = given["to"].As<js::BigInt>().Uint64Value();
  options.selecting = given.flag("selecting");
  options.keepDamaged = given.flag("keepDamaged");
  options.keep = given.numbers("keep");
  options.form = savefileForm(given);
  options.maxBytes = given.large("maxBytes");
  options.maxPackets = given.large("maxPackets");
  options.maxNanoseconds = given.large("maxMilliseconds") * 1'000'000;
  return ConvertJob::start(info.Env(), std::make_unique<SavefileConverter>(std::move(options)),
                           info[1].As<js::Function>());
}

js::Object statsObject(js::Env env, const ConvertStats& stats) {
  auto object = js::Object::New(env);
  object.Set("packets", stats.packets);
  object.Set("written", stats.written);
  object.Set("otherLinkType", stats.otherLinkType);
  object.Set("clampedTimes", stats.clampedTimes);
  object.Set("bytesRead", stats.bytesRead);
  object.Set("bytesTotal", stats.bytesTotal);
  return object;
}

// convertStats(handle): NativeConvertStats
js::Value stats(const js::CallbackInfo& info) {
  ConvertJob* job = ConvertJob::of(info);
  if (job == nullptr) return {};
  return statsObject(info.Env(), job->task().stats());
}

// convertQuestion(handle): { section, number, interface }, or undefined if none is pending; see answerConvert().
js::Value question(const js::CallbackInfo& info) {
  const js::Env env = info.Env();
  ConvertJob* job = ConvertJob::of(info);
  if (job == nullptr) return {};
  auto asked = job->task().question();
  if (!asked) return env.Undefined();
  auto object = js::Object::New(env);
  object.Set("section", savefileEventToJs(env, std::move(asked->section)));
  object.Set("number", asked->sectionNumber);
  object.Set("interface", savefileEventToJs(env, std::move(asked->interface)));
  return object;
}

// answerConvert(handle, selected: boolean)
void answer(const js::CallbackInfo& info) {
  if (ConvertJob* job = ConvertJob::of(info)) job->task().answer(info[1].As<js::Boolean>().Value());
}

// finishConvert(handle): { stats, files, warnings, failure? }. Call it after onEnd.
js::Value finish(const js::CallbackInfo& info) {
  const js::Env env = info.Env();
  ConvertJob* job = ConvertJob::of(info);
  if (job == nullptr) return {};
  job->finish();
  js::Object result = job->outcome(env);
  result.Set("stats", statsObject(env, job->task().stats()));
  result.Set("files", listOf(env, job->task().files(), [env](const CompleteFile& file) { return toJs(env, file); }));
  return result;
}

}  // namespace

void initConvert(js::Env env, js::Object exports) {
  exportFunction(env, exports, "startConvert", start);
  exportFunction(env, exports, "convertStats", stats);
  exportFunction(env, exports, "convertQuestion", question);
  exportFunction(env, exports, "answerConvert", answer);
  exportFunction(env, exports, "stopConvert", ConvertJob::stop);
  exportFunction(env, exports, "finishConvert", finish);
}

}  // namespace ringtap::binding
