#include "core/capture/probe.h"

#include "binding/util/exports.h"
#include "binding/util/js.h"

namespace ringtap::binding {

// Small enough to run on the JavaScript thread, and they must: privileges belong to the thread.
void initCheck(Napi::Env env, Napi::Object exports) {
  exports.Set("probePacketSocket", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                const PacketProbe probe = probePacketSocket();
                auto result = Napi::Object::New(info.Env());
                result.Set("socket", probe.socket);
                result.Set("ring", probe.ring);
                return result;
              }));
  exports.Set("probeBpf", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                const BpfProbe probe = probeBpf();
                auto result = Napi::Object::New(info.Env());
                result.Set("map", probe.map);
                result.Set("program", probe.program);
                return result;
              }));
  exports.Set("libpcapVersion", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::String::New(info.Env(), libpcapVersion());
              }));
}

}  // namespace ringtap::binding
