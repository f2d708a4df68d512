// Filters: compiled on libuv's thread pool, because that can take minutes, and run on packets in JavaScript's hands.
#include "core/bpf/filter.h"

#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "binding/util/errors.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/run_async.h"
#include "core/bpf/filter_interpreter.h"

namespace ringtap::binding {

namespace {

// A program as JavaScript holds it: opaque, so that it stays the one that compileFilter has validated.
using ProgramHandle = Napi::External<FilterProgram>;

// Null, and an exception, where the first argument is no handle.
const FilterProgram* programOf(const Napi::CallbackInfo& info) {
  const FilterProgram* program = info[0].As<ProgramHandle>().Data();
  if (program == nullptr)
    throwError(info.Env(), Error{.code = Code::Option, .message = "this is no handle of a filter"});
  return program;
}

// compileFilter(expression, linkType, snapshotLength, byteOrder): Promise of a handle. `byteOrder`: 1 little endian, 2
// big endian, of the savefile that the packets come from; 0 for packets that come from none.
Napi::Value compile(const Napi::CallbackInfo& info) {
  const std::string expression = info[0].As<Napi::String>().Utf8Value();
  const auto linkType = static_cast<std::uint16_t>(info[1].As<Napi::Number>().Uint32Value());
  const std::uint32_t snapshotLength = info[2].As<Napi::Number>().Uint32Value();
  constexpr FilterInput inputs[] = {FilterInput::Memory, FilterInput::LittleEndianFile, FilterInput::BigEndianFile};
  const FilterInput input = inputs[info[3].As<Napi::Number>().Uint32Value() % std::size(inputs)];
  return runAsync(
      info.Env(), "ringtap compileFilter",
      [=] { return compileFilter(expression, linkType, snapshotLength, input); },
      [](Napi::Env env, Result<CompiledFilter>& compiled) -> Result<Napi::Value> {
        if (!compiled) return std::move(compiled.error());
        return ProgramHandle::New(env, std::make_unique<FilterProgram>(std::move(compiled->instructions)));
      });
}

// filterInstructions(handle): ArrayBuffer, struct sock_filter after struct sock_filter in the machine's byte order
Napi::Value instructions(const Napi::CallbackInfo& info) {
  const FilterProgram* program = programOf(info);
  if (program == nullptr) return {};
  const std::size_t size = program->size() * sizeof(FilterInstruction);
  auto buffer = Napi::ArrayBuffer::New(info.Env(), size);
  if (!buffer.IsEmpty()) std::memcpy(buffer.Data(), program->data(), size);
  return buffer;
}

// filterListing(handle): string
Napi::Value listing(const Napi::CallbackInfo& info) {
  const FilterProgram* program = programOf(info);
  if (program == nullptr) return {};
  return Napi::String::New(info.Env(), filterListing(*program));
}

// filterMatches(handle, bytes, originalLength): boolean
Napi::Value matches(const Napi::CallbackInfo& info) {
  const FilterProgram* program = programOf(info);
  if (program == nullptr) return {};
  const auto [bytes, length] = info[1].As<Napi::Uint8Array>().elements();
  const std::uint32_t kept = runFilter(*program, {bytes, length}, info[2].As<Napi::Number>().Uint32Value());
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
