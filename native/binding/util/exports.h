// The functions with which each directory of the binding adds its exports to the addon.
#pragma once

#include "binding/util/js.h"

namespace ringtap::binding {

void initCapture(js::Env env, js::Object exports);
void initErrors(js::Env env, js::Object exports);
void initCheck(js::Env env, js::Object exports);
void initPattern(js::Env env, js::Object exports);
void initLayouts(js::Env env, js::Object exports);
void initInterfaces(js::Env env, js::Object exports);
void initFilter(js::Env env, js::Object exports);
void initSavefile(js::Env env, js::Object exports);
void initSavefileFile(js::Env env, js::Object exports);
void initSavefileBuffer(js::Env env, js::Object exports);
void initConvert(js::Env env, js::Object exports);
void initInject(js::Env env, js::Object exports);
void initReplay(js::Env env, js::Object exports);

}  // namespace ringtap::binding
