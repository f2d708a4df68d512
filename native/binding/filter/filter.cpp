// Filters: compiled on libuv's thread pool, since that can take minutes, and run on packets in JavaScript's memory.
#include "core/filter/filter.h"

#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "binding/util/convert.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/run_async.h"
#include "core/filter/filter_interpreter.h"
#include "core/util/link_type.h"

namespace ringtap::binding {

namespace {

// A program as an opaque JavaScript value, so that it cannot be changed after compileFilter has validated it.
using ProgramHandle = js::External<FilterProgram>;

// Returns null, with an exception pending, if the first argument is no handle.
const FilterProgram* programOf(const js::CallbackInfo& info) { return handleOf<FilterProgram>(info[0], "a filter"); }

// compileFilter(expression, linkType, snapshotLength, byteOrder): Promise of a handle. `byteOrder` of the savefile that
// the packets come from: 1 little endian, 2 big endian; 0: the packets are not from a savefile.
js::Value compile(const js::CallbackInfo& info) {
  const std::string expression = info[0].As<js::String>().Utf8Value();
  const auto linkType = static_cast<std::uint16_t>(info[1].As<js::Number>().Uint32Value());
  const std::uint32_t snapshotLength = info[2].As<js::Number>().Uint32Value();
  constexpr FilterInput inputs[] = {FilterInput::Memory, FilterInput::LittleEndianFile, FilterInput::BigEndianFile};
  const FilterInput input = inputs[info[3].As<js::Number>().Uint32Value() % std::size(inputs)];
  return runAsync(
      info.Env(), "ringtap compileFilter", [=] { return compileFilter(expression, linkType, snapshotLength, input); },
      [](js::Env env, Result<CompiledFilter>& compiled) -> Result<js::Value> {
        if (!compiled) return std::move(compiled.error());
        return ProgramHandle::New(env, std::make_unique<FilterProgram>(std::move(compiled->instructions)));
      });
}

// filterInstructions(handle): ArrayBuffer of struct sock_filter in host byte order
js::Value instructions(const js::CallbackInfo& info) {
  const FilterProgram* program = programOf(info);
  if (program == nullptr) return {};
  const std::size_t size = program->size() * sizeof(FilterInstruction);
  auto buffer = js::ArrayBuffer::New(info.Env(), size);
  if (!buffer.IsEmpty()) std::memcpy(buffer.Data(), program->data(), size);
  return buffer;
}

// filterListing(handle): string
js::Value listing(const js::CallbackInfo& info) {
  const FilterProgram* program = programOf(info);
  if (program == nullptr) return {};
  return js::String::New(info.Env(), filterListing(*program));
}

// filterMatches(handle, bytes, originalLength): boolean
js::Value filterMatches(const js::CallbackInfo& info) {
  const FilterProgram* program = programOf(info);
  if (program == nullptr) return {};
  const auto [bytes, length] = info[1].As<js::Uint8Array>().elements();
  const std::uint32_t kept = runFilter(*program, {bytes, length}, info[2].As<js::Number>().Uint32Value());
  return js::Boolean::New(info.Env(), kept != 0);
}

js::Value linkTypeOfHardware(const js::CallbackInfo& info) {
  const std::uint16_t linkType = linkTypeOf(static_cast<std::uint16_t>(info[0].As<js::Number>().Uint32Value()));
  return linkType == kLinkTypeUnknown ? info.Env().Undefined() : js::Value(js::Number::New(info.Env(), linkType));
}

}  // namespace

void initFilter(js::Env env, js::Object exports) {
  exportFunction(env, exports, "compileFilter", compile);
  exportFunction(env, exports, "filterInstructions", instructions);
  exportFunction(env, exports, "filterListing", listing);
  exportFunction(env, exports, "filterMatches", filterMatches);
  exportFunction(env, exports, "linkTypeOf", linkTypeOfHardware);
  exportFunction(env, exports, "libpcapVersion",
                 [](const js::CallbackInfo& info) { return js::String::New(info.Env(), libpcapVersion()); });
}

}  // namespace ringtap::binding
