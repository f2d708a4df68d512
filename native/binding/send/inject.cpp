// The native side of lib/send/inject.ts: an injector as an opaque handle, sending on libuv's thread pool, and closing,
// which must not wait for that pool: interrupt() takes a send out of the pool's queue.
//
// The handle and every job share the injector: the last of them closes the socket.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/links/interface_object.h"
#include "binding/send/send_result.h"
#include "binding/util/convert.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/layouts.h"
#include "binding/util/run_async.h"
#include "core/linux/netns.h"
#include "core/send/injector.h"
#include "core/send/replay_frame.h"

namespace ringtap::binding {

namespace {

struct Shared {
  std::shared_ptr<Injector> injector;  // null once closed
  std::shared_ptr<Queued> sending = std::make_shared<Queued>();
};
using Handle = js::External<Shared>;

// openInjector(name, netns: string | undefined, maxWait: number, bypassQueue): Promise<{ handle, interface }>
js::Value openInjector(const js::CallbackInfo& info) {
  InjectorOptions options;
  options.maxWait = static_cast<std::uint64_t>(info[2].As<js::Number>().DoubleValue() * 1e6);
  options.bypassQueue = info[3].As<js::Boolean>().Value();
  const std::string name = info[0].As<js::String>().Utf8Value();
  const std::string netns = info[1].As<js::String>().Utf8Value();
  return runAsync(
      info.Env(), "ringtap openInjector",
      [=] { return inNamespace(netns, [&] { return Injector::open(name, options); }); },
      [](js::Env env, Result<std::unique_ptr<Injector>>& opened) -> Result<js::Value> {
        if (!opened) return std::move(opened.error());
        auto result = js::Object::New(env);
        result.Set("interface", toJs(env, (*opened)->interface()));
        result.Set("handle", Handle::New(env, std::make_unique<Shared>(Shared{std::move(*opened)})));
        return result;
      });
}

// The arguments of one send.
struct Sending {
  std::shared_ptr<Injector> injector;
  std::vector<Frame> frames;
  std::uint64_t position = 0;
  SendTally tally;
  std::size_t done = 0;
};

// The frames of injectorSend(), which point into `bytes`.
std::vector<Frame> framesOf(const Injector& injector, js::ArrayBuffer bytes, js::Uint32Array layout,
                            std::size_t count) {
  const auto* data = static_cast<const std::byte*>(bytes.Data());
  std::size_t room = bytes.ByteLength();
  const auto [words, length] = layout.elements();
  std::vector<Frame> frames(std::min(count, length / frame::kWords));
  const std::uint32_t* row = words;
  for (Frame& frame : frames) {
    frame.data = data;
    frame.length = row[frame::kLength];
    frame.tag = row[frame::kTag];
    frame.refusal = static_cast<Refusal>(row[frame::kRefusal]);
    const std::uint32_t packet = row[frame::kPacket];
    frame.captured = (packet & packet_flag::kPacket) != 0;
    frame.checksumPending = (packet & packet_flag::kChecksumPending) != 0;
    if (frame.captured && !linkTypeFits(static_cast<std::uint16_t>(packet), injector.linkType())) {
      frame.refusal = Refusal::LinkType;
    }
    if (frame.length > room) frame.length = 0;  // an error of the library's own: never read beyond the memory
    data += frame.length;
    room -= frame.length;
    row += frame::kWords;
  }
  return frames;
}

// Returns null, with an exception pending, if the first argument is no handle.
Shared* sharedOf(const js::CallbackInfo& info) { return handleOf<Shared>(info[0], "an injector"); }

// injectorSend(handle, bytes: ArrayBuffer, layout: Uint32Array, count, position): Promise<NativeSendResult>. `layout`:
// one row per frame in `bytes` (layouts.h, frame). Only one send may run at a time.
js::Value send(const js::CallbackInfo& info) {
  const Shared* shared = sharedOf(info);
  if (shared == nullptr) return {};
  if (!shared->injector) {
    throwError(info.Env(), Error{Code::Closed, "the injector is closed"});
    return {};
  }
  const auto bytes = info[1].As<js::ArrayBuffer>();
  auto sending = std::make_shared<Sending>();
  sending->injector = shared->injector;
  sending->frames =
      framesOf(*shared->injector, bytes, info[2].As<js::Uint32Array>(), info[3].As<js::Number>().Uint32Value());
  sending->position = static_cast<std::uint64_t>(info[4].As<js::Number>().DoubleValue());
  shared->injector->resume();
  return runAsync(
      info.Env(), "ringtap send",
      [sending]() -> Result<> {
        sending->done = sending->injector->send(sending->frames, sending->position, sending->tally);
        return {};
      },
      [sending, kept = js::Persistent(bytes)](js::Env env, Result<>&) -> Result<js::Value> {
        auto result = toJs(env, sending->tally);
        result.Set("done", sending->done);
        return result;
      },
      Where::Pool, shared->sending);
}

// injectorInterrupt(handle): ends the running send; one that waits for a thread sends nothing.
void interrupt(const js::CallbackInfo& info) {
  const Shared* shared = sharedOf(info);
  if (shared == nullptr || !shared->injector) return;
  shared->injector->interrupt();
  shared->sending->cancel(info.Env());
}

// injectorClose(handle): Promise. No send may be running.
js::Value close(const js::CallbackInfo& info) {
  Shared* shared = sharedOf(info);
  if (shared == nullptr) return {};
  return runAsync(
      info.Env(), "ringtap close",
      [injector = std::move(shared->injector)]() mutable -> Result<> {
        injector.reset();
        return {};
      },
      Where::OwnThread);
}

}  // namespace

void initInject(js::Env env, js::Object exports) {
  exportFunction(env, exports, "openInjector", openInjector);
  exportFunction(env, exports, "injectorSend", send);
  exportFunction(env, exports, "injectorInterrupt", interrupt);
  exportFunction(env, exports, "injectorClose", close);
}

}  // namespace ringtap::binding
