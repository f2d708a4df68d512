// What stands behind lib/send/inject.ts: an injector as an opaque handle, and sending on libuv's thread pool.
//
// The handle and every job share the injector: whichever goes last closes the socket.
#include <napi.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/links/interface_object.h"
#include "binding/send/send_result.h"
#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/layouts.h"
#include "core/send/injector.h"
#include "core/send/replay_frame.h"
#include "core/util/netns.h"

namespace ringtap::binding {

namespace {

struct Shared {
  std::shared_ptr<Injector> injector;  // none once closed
};
using Handle = Napi::External<Shared>;

// Flags of a packet, above its link type (frame::kPacket).
constexpr std::uint32_t kPacket = 0x1'0000;
constexpr std::uint32_t kChecksumPending = 0x2'0000;

class OpenWorker final : public Napi::AsyncWorker {
 public:
  OpenWorker(Napi::Env env, std::string name, std::string netns, const InjectorOptions& options)
      : AsyncWorker(env, "ringtap:openInjector"),
        deferred_(Napi::Promise::Deferred::New(env)),
        name_(std::move(name)),
        netns_(std::move(netns)),
        options_(options) {}
  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override {
    opened_ = inNamespace(netns_, [this] { return Injector::open(name_, options_); });
  }
  void OnOK() override {
    if (!opened_.ok()) {
      deferred_.Reject(toJs(Env(), opened_.error()));
      return;
    }
    auto result = Napi::Object::New(Env());
    result.Set("interface", toJs(Env(), (*opened_)->interface()));
    result.Set("handle", Handle::New(Env(), new Shared{std::move(*opened_)},
                                     [](Napi::BasicEnv, Shared* shared) { delete shared; }));
    deferred_.Resolve(result);
  }

  Napi::Promise::Deferred deferred_;
  std::string name_;
  std::string netns_;
  InjectorOptions options_;
  Result<std::unique_ptr<Injector>> opened_ = Error{};
};

// openInjector(name, netns: string | undefined, patience: number, bypass): Promise<{ handle, interface }>
Napi::Value openInjector(const Napi::CallbackInfo& info) {
  InjectorOptions options;
  options.patience = static_cast<std::uint64_t>(info[2].As<Napi::Number>().DoubleValue() * 1e6);
  options.bypass = info[3].As<Napi::Boolean>().Value();
  auto* worker = new OpenWorker(info.Env(), info[0].As<Napi::String>().Utf8Value(),
                                info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : std::string(), options);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

class SendWorker final : public Napi::AsyncWorker {
 public:
  SendWorker(Napi::Env env, std::shared_ptr<Injector> injector, Napi::ArrayBuffer bytes, Napi::Uint32Array layout,
             std::size_t count, std::uint64_t position)
      : AsyncWorker(env, "ringtap:send"),
        deferred_(Napi::Promise::Deferred::New(env)),
        injector_(std::move(injector)),
        bytes_(Napi::Persistent(bytes)),
        frames_(count),
        position_(position) {
    const auto* data = static_cast<const std::byte*>(bytes.Data());
    std::size_t room = bytes.ByteLength();
    for (std::size_t i = 0; i < count; ++i) {
      Frame& frame = frames_[i];
      frame.data = data;
      const std::uint32_t* words = layout.Data() + i * frame::kWords;
      frame.length = words[frame::kLength];
      frame.tag = words[frame::kTag];
      frame.refusal = static_cast<Refusal>(words[frame::kRefusal]);
      const std::uint32_t packet = words[frame::kPacket];
      frame.captured = (packet & kPacket) != 0;
      frame.checksumPending = (packet & kChecksumPending) != 0;
      if (frame.captured && !linkTypeFits(static_cast<std::uint16_t>(packet), injector_->linkType())) {
        frame.refusal = Refusal::LinkType;
      }
      if (frame.length > room) frame.length = 0;  // the library's own mistake: never beyond the memory
      data += frame.length;
      room -= frame.length;
    }
    injector_->resume();
  }
  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override { done_ = injector_->send(frames_, position_, tally_); }
  void OnOK() override {
    auto result = toJs(Env(), tally_);
    result.Set("done", Napi::Number::New(Env(), static_cast<double>(done_)));
    deferred_.Resolve(result);
  }

  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Injector> injector_;
  Napi::Reference<Napi::ArrayBuffer> bytes_;
  std::vector<Frame> frames_;
  std::uint64_t position_;
  SendTally tally_;
  std::size_t done_ = 0;
};

// injectorSend(handle, bytes: ArrayBuffer, layout: Uint32Array, count, position): Promise<NativeSendResult>. `layout`:
// a row for each frame in `bytes` (layouts.h, frame). One at a time.
Napi::Value send(const Napi::CallbackInfo& info) {
  const auto& shared = *info[0].As<Handle>().Data();
  if (!shared.injector) {
    throwError(info.Env(), Error{Code::Closed, "the injector is closed"});
    return {};
  }
  const auto layout = info[2].As<Napi::Uint32Array>();
  std::size_t count = info[3].As<Napi::Number>().Uint32Value();
  count = std::min(count, layout.ElementLength() / frame::kWords);
  auto* worker = new SendWorker(info.Env(), shared.injector, info[1].As<Napi::ArrayBuffer>(), layout, count,
                                static_cast<std::uint64_t>(info[4].As<Napi::Number>().DoubleValue()));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// injectorInterrupt(handle): the send that runs ends.
void interrupt(const Napi::CallbackInfo& info) {
  const auto& shared = *info[0].As<Handle>().Data();
  if (shared.injector) shared.injector->interrupt();
}

class CloseWorker final : public Napi::AsyncWorker {
 public:
  CloseWorker(Napi::Env env, std::shared_ptr<Injector> injector)
      : AsyncWorker(env, "ringtap:closeInjector"),
        deferred_(Napi::Promise::Deferred::New(env)),
        injector_(std::move(injector)) {}
  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override { injector_.reset(); }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }

  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Injector> injector_;
};

// injectorClose(handle): Promise. When no send runs.
Napi::Value close(const Napi::CallbackInfo& info) {
  auto* worker = new CloseWorker(info.Env(), std::move(info[0].As<Handle>().Data()->injector));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace

void initInject(Napi::Env env, Napi::Object exports) {
  exports.Set("openInjector", Napi::Function::New(env, openInjector, "openInjector"));
  exports.Set("injectorSend", Napi::Function::New(env, send, "injectorSend"));
  exports.Set("injectorInterrupt", Napi::Function::New(env, interrupt, "injectorInterrupt"));
  exports.Set("injectorClose", Napi::Function::New(env, close, "injectorClose"));
}

}  // namespace ringtap::binding
