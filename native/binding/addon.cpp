#include <napi.h>

#include "binding/util/exports.h"
#include "binding/util/instance.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  using namespace ringtap::binding;
  env.SetInstanceData(new Instance);
  initErrors(env, exports);
  initCapture(env, exports);
  initCheck(env, exports);
  initPattern(env, exports);
  initLayouts(env, exports);
  initInterfaces(env, exports);
  initFilter(env, exports);
  initSavefile(env, exports);
  initSavefileBuffer(env, exports);
  initSavefileFile(env, exports);
  initConvert(env, exports);
  initInject(env, exports);
  initReplay(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(ringtap, init)
