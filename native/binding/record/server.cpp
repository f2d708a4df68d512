#include "binding/record/server.h"

#include <utility>

#include "binding/owners/owner_watch.h"
#include "binding/record/memory_recorder.h"
#include "binding/savefile/savefile_form.h"
#include "binding/util/errors.h"
#include "binding/util/run_async.h"
#include "core/record/flight_memory.h"
#include "core/record/segment_stream.h"

namespace ringtap::binding {

namespace {

using Stream = std::shared_ptr<SegmentStream>;

// The work of a stream's next().
struct NextReaderPiece {
  Stream stream;
  Result<SegmentStream::Piece> operator()() const { return stream->next(); }
  void stop() const { stream->cancel(); }
};

Result<js::Value> toJs(js::Env env, SegmentStream::Piece& piece) {
  const std::size_t length = piece.bytes.size();
  if (length == 0) return env.Undefined();
  auto bytes = piece.bytes.release();
  if (!bytes) return Error{Code::System, "no memory for a reader", ENOMEM, "malloc"};
  js::Object object = js::Object::New(env);
  object.Set("bytes", js::giveBytes(env, std::move(bytes), length));
  object.Set("packets", piece.packets);
  object.Set("packetBytes", piece.packetBytes);
  object.Set("taken", piece.taken);
  return object;
}

// The functions of a NativeServerStream.
js::Object wrap(js::Env env, const Stream& stream) {
  js::Object object = js::Object::New(env);
  const auto method = [&](const char* name, auto body) {
    object.Set(name, js::Function::New(
                         env, [stream, body](const js::CallbackInfo& info) { return body(info.Env(), stream); }, name));
  };
  // next(): Promise<NativePiece | undefined>
  method("next", [](js::Env env, const Stream& stream) -> js::Value {
    return runAsync(
        env, "ringtap reader", NextReaderPiece{stream},
        [](js::Env env, Result<SegmentStream::Piece>& piece) -> Result<js::Value> {
          if (!piece) return std::move(piece.error());
          return toJs(env, *piece);
        },
        Where::OwnThread);
  });
  method("counts", [](js::Env env, const Stream& stream) -> js::Value {
    const SegmentStream::Counts counts = stream->counts();
    js::Object object = js::Object::New(env);
    object.Set("overwritten", counts.overwritten);
    object.Set("waiting", counts.waiting);
    object.Set("taken", counts.taken);
    object.Set("lost", counts.lost);
    object.Set("otherLinkType", counts.otherLinkType);
    return object;
  });
  method("finish", [](js::Env env, const Stream& stream) -> js::Value {
    stream->finish();
    return env.Undefined();
  });
  method("cancel", [](js::Env env, const Stream& stream) -> js::Value {
    stream->cancel();
    return env.Undefined();
  });
  return object;
}

SegmentCopyOptions copyOptions(const Fields& options) {
  SegmentCopyOptions request;
  request.form = savefileForm(options);
  request.filter = options.optionalText("filter");
  request.linkType = static_cast<std::uint16_t>(options.number("linkType"));
  return request;
}

}  // namespace

js::Value serve(js::Env env, const Fields& options, const std::function<Result<>(std::shared_ptr<Recorder>)>& attach) {
  const FlightOptions limits{.memory = static_cast<std::size_t>(options.large("memory")), .byDevice = true};
  RecorderOptions request;  // whatever the readers get, pcapng is kept
  request.form.rotateMilliseconds = options.number("milliseconds");
  request.filter = options.text("captureFilter");
  request.owners = ownerSourceOf(options["owners"]);
  request.thread = "ringtap serve";
  return memoryRecorder(env, limits, std::move(request), attach,
                        {
                            // stream(options: NativeServerStreamOptions): NativeServerStream
                            {"stream",
                             [](const js::CallbackInfo& info, Recorder&, const Memory& memory) -> js::Value {
                               return wrap(info.Env(),
                                           std::make_shared<SegmentStream>(memory, copyOptions(Fields(info[0]))));
                             }},
                            {"stats",
                             [](const js::CallbackInfo& info, Recorder& recorder, const Memory& memory) -> js::Value {
                               js::Object object = js::Object::New(info.Env());
                               object.Set("packets", recorder.stats().packets);
                               object.Set("dropped", recorder.stats().dropped);
                               object.Set("memory", memory->held().memory);
                               return object;
                             }},
                        });
}

}  // namespace ringtap::binding
