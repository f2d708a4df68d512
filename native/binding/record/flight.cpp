#include "binding/record/flight.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "binding/owners/owner_watch.h"
#include "binding/record/memory_recorder.h"
#include "binding/savefile/savefile_events.h"
#include "binding/savefile/savefile_form.h"
#include "binding/util/errors.h"
#include "binding/util/run_async.h"
#include "core/record/flight_memory.h"
#include "core/util/clock.h"

namespace ringtap::binding {

namespace {

using DumpHandle = js::External<std::shared_ptr<FlightDump>>;

constexpr std::uint64_t kNanoseconds = 1'000'000;  // in a millisecond

// The work of a dump's next().
struct NextDumpPiece {
  std::shared_ptr<FlightDump> dump;
  Result<ByteSink> operator()() const { return dump->next(); }
  void stop() const { dump->cancel(); }
};

js::Object toJs(js::Env env, const FlightDump& dump) {
  const FlightDumpCounts counts = dump.counts();
  js::Object object = js::Object::New(env);
  object.Set("from", js::BigInt::New(env, dump.from()));
  object.Set("to", js::BigInt::New(env, dump.to()));
  object.Set("packets", counts.written.packets);
  object.Set("packetBytes", counts.written.packetBytes);
  object.Set("firstTimestamp", js::BigInt::New(env, counts.written.firstTimestamp));
  object.Set("lastTimestamp", js::BigInt::New(env, counts.written.lastTimestamp));
  object.Set("lost", counts.lost);
  object.Set("overwritten", counts.overwritten);
  object.Set("warnings", binding::toJs(env, counts.warnings));
  return object;
}

// The functions of a NativeFlightDump.
js::Object wrap(js::Env env, const std::shared_ptr<FlightDump>& dump) {
  js::Object object = js::Object::New(env);
  const auto method = [&](const char* name, auto body) {
    object.Set(name, js::Function::New(
                         env, [dump, body](const js::CallbackInfo& info) { return body(info.Env(), dump); }, name));
  };
  object.Set("handle", DumpHandle::New(env, std::make_unique<std::shared_ptr<FlightDump>>(dump)));
  // next(): Promise<Uint8Array | undefined>
  method("next", [](js::Env env, const std::shared_ptr<FlightDump>& dump) -> js::Value {
    return runAsync(
        env, "ringtap dump", NextDumpPiece{dump},
        [](js::Env env, Result<ByteSink>& piece) -> Result<js::Value> {
          if (!piece) return std::move(piece.error());
          const std::size_t length = piece->size();
          if (length == 0) return env.Undefined();
          auto bytes = piece->release();
          if (!bytes) return Error{Code::System, "no memory for a dump", ENOMEM, "malloc"};
          return js::giveBytes(env, std::move(bytes), length);
        },
        Where::OwnThread);
  });
  // question(): NativeFileInterface | undefined
  method("question", [](js::Env env, const std::shared_ptr<FlightDump>& dump) -> js::Value {
    const auto& question = dump->question();
    return question ? savefileEventToJs(env, *question) : env.Undefined();
  });
  // answer(selected: boolean)
  object.Set("answer", js::Function::New(
                           env,
                           [dump](const js::CallbackInfo& info) -> js::Value {
                             dump->answer(info[0].As<js::Boolean>().Value());
                             return info.Env().Undefined();
                           },
                           "answer"));
  method("cancel", [](js::Env env, const std::shared_ptr<FlightDump>& dump) -> js::Value {
    dump->cancel();
    return env.Undefined();
  });
  method("counts", [](js::Env env, const std::shared_ptr<FlightDump>& dump) -> js::Value { return toJs(env, *dump); });
  return object;
}

SegmentCopyOptions dumpOptions(const Fields& options) {
  const std::uint64_t now = realNow();
  SegmentCopyOptions request;
  const double before = options.real("before");  // negative: all that is held
  if (before >= 0) request.from = now - std::min(now, static_cast<std::uint64_t>(before * kNanoseconds));
  request.to = now + static_cast<std::uint64_t>(options.real("after") * kNanoseconds);
  request.form = savefileForm(options);
  request.filter = options.optionalText("filter");
  request.selecting = options.flag("selecting");
  return request;
}

js::Object statsToJs(js::Env env, const Recorder& recorder, const FlightMemory& memory) {
  const FlightMemory::Held held = memory.held();
  js::Object object = js::Object::New(env);
  object.Set("packets", held.packets);
  object.Set("memory", held.memory);
  object.Set("firstTimestamp", js::BigInt::New(env, held.firstTimestamp));
  object.Set("lastTimestamp", js::BigInt::New(env, held.lastTimestamp));
  object.Set("dropped", recorder.stats().dropped);
  return object;
}

}  // namespace

std::shared_ptr<FlightDump> flightDumpOf(const js::Value& value) {
  const auto* dump = handleOf<std::shared_ptr<FlightDump>>(value, "a dump");
  return dump == nullptr ? nullptr : *dump;
}

js::Value flight(js::Env env, const Fields& options, const std::function<Result<>(std::shared_ptr<Recorder>)>& attach) {
  const FlightOptions limits{static_cast<std::size_t>(options.large("memory")),
                             std::chrono::milliseconds(static_cast<std::int64_t>(options.real("milliseconds"))),
                             static_cast<Packing>(options.number("packing"))};
  RecorderOptions request;
  request.form.file = savefileForm(options);
  request.form.rotateMilliseconds = segmentMilliseconds(limits);
  request.filter = options.text("filter");
  request.owners = ownerSourceOf(options["owners"]);
  request.thread = "ringtap flight";
  return memoryRecorder(env, limits, std::move(request), attach,
                        {
                            // dump(options: NativeFlightDumpOptions): NativeFlightDump
                            {"dump",
                             [](const js::CallbackInfo& info, Recorder&, const Memory& memory) -> js::Value {
                               return wrap(info.Env(),
                                           std::make_shared<FlightDump>(memory, dumpOptions(Fields(info[0]))));
                             }},
                            {"stats",
                             [](const js::CallbackInfo& info, Recorder& recorder, const Memory& memory) -> js::Value {
                               return statsToJs(info.Env(), recorder, *memory);
                             }},
                        });
}

}  // namespace ringtap::binding
