// The functions with which each directory of the binding adds its exports to the addon.
#pragma once

#include <utility>

#include "binding/util/js.h"

namespace ringtap::binding {

// Adds a function to the exports under its name.
template <typename Body>
void exportFunction(js::Env env, js::Object exports, const char* name, Body body) {
  exports.Set(name, js::Function::New(env, std::move(body), name));
}

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
