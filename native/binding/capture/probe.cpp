#include "core/capture/probe.h"

#include "binding/util/exports.h"
#include "binding/util/js.h"

namespace ringtap::binding {

// These calls are short and must run on the JavaScript thread: privileges are per thread.
void initProbe(js::Env env, js::Object exports) {
  exportFunction(env, exports, "probePacketSocket", [](const js::CallbackInfo& info) {
    const PacketProbe probe = probePacketSocket();
    auto result = js::Object::New(info.Env());
    result.Set("socket", probe.socket);
    result.Set("ring", probe.ring);
    return result;
  });
  exportFunction(env, exports, "probeBpf", [](const js::CallbackInfo& info) {
    const BpfProbe probe = probeBpf();
    auto result = js::Object::New(info.Env());
    result.Set("map", probe.map);
    result.Set("program", probe.program);
    return result;
  });
}

}  // namespace ringtap::binding
