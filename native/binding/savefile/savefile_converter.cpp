// The native side of lib/savefile/convert-files.ts: a thread that reads, merges and writes savefiles.
#include "core/savefile/savefile_converter.h"

#include <memory>
#include <string>
#include <utility>

#include "binding/savefile/savefile_events.h"
#include "binding/savefile/savefile_form.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/job.h"
#include "binding/util/js.h"

namespace ringtap::binding {

namespace {

using ConvertJob = Job<SavefileConverter>;

// startConvert(options: NativeConvertOptions, onEnd: () => void): ConvertHandle. onEnd is also called for questions.
js::Value start(const js::CallbackInfo& info) {
  const auto given = info[0].As<js::Object>();
  const auto number = [&](const char* name) {
    return static_cast<std::uint64_t>(given.Get(name).As<js::Number>().DoubleValue());
  };
  const auto flag = [&](const char* name) { return given.Get(name).As<js::Boolean>().Value(); };
  ConvertOptions options;
  const auto inputs = given.Get("inputs").As<js::Array>();
  for (std::uint32_t i = 0; i < inputs.Length(); ++i) {
    options.inputs.push_back(inputs.Get(i).As<js::String>().Utf8Value());
  }
  options.files.path = given.Get("output").As<js::String>().Utf8Value();
  options.byTime = flag("byTime");
  if (given.Get("filter").IsString()) options.filter = given.Get("filter").As<js::String>().Utf8Value();
  options.selecting = flag("selecting");
  options.keepDamaged = flag("keepDamaged");
  const auto keep = given.Get("keep").As<js::Array>();
  for (std::uint32_t i = 0; i < keep.Length(); ++i) {
    options.keep.push_back(keep.Get(i).As<js::Number>().Uint32Value());
  }
  options.form = savefileForm(given);
  options.maxBytes = number("maxBytes");
  options.maxPackets = number("maxPackets");
  options.maxNanoseconds = number("maxMilliseconds") * 1'000'000;
  return ConvertJob::start(info.Env(), std::make_unique<SavefileConverter>(std::move(options)),
                           info[1].As<js::Function>());
}

js::Object statsObject(js::Env env, const ConvertStats& stats) {
  auto object = js::Object::New(env);
  const auto set = [&](const char* name, std::uint64_t value) {
    object.Set(name, js::Number::New(env, static_cast<double>(value)));
  };
  set("packets", stats.packets);
  set("written", stats.written);
  set("otherLinkType", stats.otherLinkType);
  set("clampedTimes", stats.clampedTimes);
  set("bytesRead", stats.bytesRead);
  set("bytesTotal", stats.bytesTotal);
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
  object.Set("number", js::Number::New(env, asked->sectionNumber));
  object.Set("interface", savefileEventToJs(env, std::move(asked->interface)));
  return object;
}

// answerConvert(handle, selected: boolean)
void answer(const js::CallbackInfo& info) {
  if (ConvertJob* job = ConvertJob::of(info)) job->task().answer(info[1].As<js::Boolean>().Value());
}

// stopConvert(handle): onEnd is called soon after.
void stop(const js::CallbackInfo& info) {
  if (ConvertJob* job = ConvertJob::of(info)) job->stop();
}

// finishConvert(handle): { stats, files, warnings, failure? }. Call it after onEnd.
js::Value finish(const js::CallbackInfo& info) {
  const js::Env env = info.Env();
  ConvertJob* job = ConvertJob::of(info);
  if (job == nullptr) return {};
  job->finish();
  auto result = js::Object::New(env);
  result.Set("stats", statsObject(env, job->task().stats()));
  const auto& complete = job->task().files();
  auto files = js::Array::New(env, complete.size());
  for (std::uint32_t i = 0; i < complete.size(); ++i) files.Set(i, toJs(env, complete[i]));
  result.Set("files", files);
  result.Set("warnings", textList(env, job->task().warnings()));
  if (job->failure()) result.Set("failure", toJs(env, *job->failure()));
  return result;
}

}  // namespace

void initConvert(js::Env env, js::Object exports) {
  exports.Set("startConvert", js::Function::New(env, start, "startConvert"));
  exports.Set("convertStats", js::Function::New(env, stats, "convertStats"));
  exports.Set("convertQuestion", js::Function::New(env, question, "convertQuestion"));
  exports.Set("answerConvert", js::Function::New(env, answer, "answerConvert"));
  exports.Set("stopConvert", js::Function::New(env, stop, "stopConvert"));
  exports.Set("finishConvert", js::Function::New(env, finish, "finishConvert"));
}

}  // namespace ringtap::binding
