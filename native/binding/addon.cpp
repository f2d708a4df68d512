#include "binding/util/exports.h"
#include "binding/util/instance.h"

NAPI_MODULE_INIT() {
  using namespace ringtap::binding;
  if (!Instance::create(env)) return nullptr;
  const Napi::Object all(env, exports);
  initErrors(env, all);
  initCapture(env, all);
  initCheck(env, all);
  initPattern(env, all);
  initInterfaces(env, all);
  initLayouts(env, all);
  initFilter(env, all);
  initSavefile(env, all);
  initSavefileFile(env, all);
  initSavefileBuffer(env, all);
  initConvert(env, all);
  initInject(env, all);
  initReplay(env, all);
  return all;
}
