// Filters: compiled on libuv's thread pool, because that can take minutes, and run on packets in JavaScript's hands.
#include "core/bpf/filter.h"

#include <napi.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "core/bpf/filter_interpreter.h"

namespace ringtap::binding {

namespace {

// A program as JavaScript holds it: opaque, so that it stays the one that compileFilter has validated.
using ProgramHandle = Napi::External<FilterProgram>;

class CompileWorker : public Napi::AsyncWorker {
 public:
  CompileWorker(Napi::Env env, std::string expression, std::uint16_t linkType, std::uint32_t snapshotLength)
      : AsyncWorker(env, "ringtap:compileFilter"),
        deferred_(Napi::Promise::Deferred::New(env)),
        expression_(std::move(expression)),
        linkType_(linkType),
        snapshotLength_(snapshotLength) {}

  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    compiled_ = compileFilter(expression_, linkType_, snapshotLength_, FilterExtensions::None);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    if (!compiled_.ok()) {
      deferred_.Reject(toJs(env, compiled_.error()));
      return;
    }
    auto program = std::make_unique<FilterProgram>(std::move(compiled_->instructions));
    const ProgramHandle handle =
        ProgramHandle::New(env, program.get(), [](Napi::BasicEnv, FilterProgram* program) { delete program; });
    if (handle.IsEmpty()) return;  // a worker that is being terminated gets no handle, and nobody waits for it
    (void)program.release();
    deferred_.Resolve(handle);
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::string expression_;
  std::uint16_t linkType_;
  std::uint32_t snapshotLength_;
  Result<CompiledFilter> compiled_ = CompiledFilter{};
};

const FilterProgram& programOf(const Napi::Value& value) { return *value.As<ProgramHandle>().Data(); }

// compileFilter(expression, linkType, snapshotLength): Promise of a handle
Napi::Value compile(const Napi::CallbackInfo& info) {
  auto* worker = new CompileWorker(info.Env(), info[0].As<Napi::String>().Utf8Value(),
                                   static_cast<std::uint16_t>(info[1].As<Napi::Number>().Uint32Value()),
                                   info[2].As<Napi::Number>().Uint32Value());
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

// filterInstructions(handle): ArrayBuffer, struct sock_filter after struct sock_filter in the machine's byte order
Napi::Value instructions(const Napi::CallbackInfo& info) {
  const FilterProgram& program = programOf(info[0]);
  const std::size_t size = program.size() * sizeof(FilterInstruction);
  auto buffer = Napi::ArrayBuffer::New(info.Env(), size);
  if (!buffer.IsEmpty()) std::memcpy(buffer.Data(), program.data(), size);
  return buffer;
}

// filterListing(handle): string
Napi::Value listing(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), filterListing(programOf(info[0])));
}

// filterMatches(handle, bytes, originalLength): boolean
Napi::Value matches(const Napi::CallbackInfo& info) {
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const std::uint32_t kept =
      runFilter(programOf(info[0]), {bytes.Data(), bytes.ByteLength()}, info[2].As<Napi::Number>().Uint32Value());
  return Napi::Boolean::New(info.Env(), kept != 0);
}

}  // namespace

void initFilter(Napi::Env env, Napi::Object exports) {
  exports.Set("compileFilter", Napi::Function::New(env, compile, "compileFilter"));
  exports.Set("filterInstructions", Napi::Function::New(env, instructions, "filterInstructions"));
  exports.Set("filterListing", Napi::Function::New(env, listing, "filterListing"));
  exports.Set("filterMatches", Napi::Function::New(env, matches, "filterMatches"));
}

}  // namespace ringtap::binding
