#include "binding/util/exports.h"
#include "binding/util/instance.h"

namespace {

Napi::Object init(Napi::Env environment, Napi::Object exports) {
  using namespace ringtap::binding;
  const ringtap::js::Env env = static_cast<napi_env>(environment);
  if (!Instance::create(env)) return exports;
  const ringtap::js::Object all(env, exports);
  initErrors(env, all);
  initLayouts(env, all);
  initFilter(env, all);
  initPattern(env, all);
  initSavefile(env, all);
  initSavefileFile(env, all);
  initSavefileBuffer(env, all);
  initConvert(env, all);
#ifndef RINGTAP_PORTABLE
  initLinux(env, all);
#endif
  return exports;
}

}  // namespace

NODE_API_MODULE(ringtap, init)
