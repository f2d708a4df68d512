// What each room of the binding puts on the addon's exports.
#pragma once

#include "binding/util/js.h"

namespace ringtap::binding {

void initCapture(Napi::Env env, Napi::Object exports);
void initErrors(Napi::Env env, Napi::Object exports);
void initCheck(Napi::Env env, Napi::Object exports);
void initPattern(Napi::Env env, Napi::Object exports);
void initLayouts(Napi::Env env, Napi::Object exports);
void initInterfaces(Napi::Env env, Napi::Object exports);
void initFilter(Napi::Env env, Napi::Object exports);
void initSavefile(Napi::Env env, Napi::Object exports);
void initSavefileFile(Napi::Env env, Napi::Object exports);
void initSavefileBuffer(Napi::Env env, Napi::Object exports);
void initConvert(Napi::Env env, Napi::Object exports);
void initInject(Napi::Env env, Napi::Object exports);
void initReplay(Napi::Env env, Napi::Object exports);

}  // namespace ringtap::binding
