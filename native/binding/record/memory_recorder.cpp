#include "binding/record/memory_recorder.h"

#include "binding/util/errors.h"

namespace ringtap::binding {

js::Value memoryRecorder(js::Env env, const FlightOptions& limits, RecorderOptions request,
                         const std::function<Result<>(std::shared_ptr<Recorder>)>& attach,
                         std::initializer_list<std::pair<const char*, MemoryMethod>> own) {
  const auto memory = std::make_shared<FlightMemory>(limits);
  if (auto begun = memory->begin(); !begun) {
    throwError(env, begun.error());
    return {};
  }
  request.form.rotateBytes = segmentBytes(limits);
  request.secondary = true;
  const auto recorder = std::make_shared<Recorder>(std::move(request), memory);
  if (auto attached = attach(recorder); !attached) {
    throwError(env, attached.error());
    return {};
  }
  js::Object object = js::Object::New(env);
  const auto method = [&](const char* name, const MemoryMethod& body) {
    object.Set(
        name, js::Function::New(
                  env, [recorder, memory, body](const js::CallbackInfo& info) { return body(info, *recorder, memory); },
                  name));
  };
  for (const auto& [name, body] : own) method(name, body);
  method("clear", [](const js::CallbackInfo& info, Recorder&, const Memory& memory) -> js::Value {
    memory->clear();
    return info.Env().Undefined();
  });
  method("nextFault", [](const js::CallbackInfo& info, Recorder& recorder, const Memory&) -> js::Value {
    const auto fault = recorder.nextFault();
    return fault ? toJs(info.Env(), *fault) : info.Env().Undefined();
  });
  method("ended", [](const js::CallbackInfo& info, Recorder& recorder, const Memory&) -> js::Value {
    return js::Boolean::New(info.Env(), recorder.ended());
  });
  return object;
}

}  // namespace ringtap::binding
