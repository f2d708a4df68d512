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

void initErrors(js::Env env, js::Object exports);
void initLayouts(js::Env env, js::Object exports);
void initFilter(js::Env env, js::Object exports);
void initPattern(js::Env env, js::Object exports);
void initSavefile(js::Env env, js::Object exports);
void initSavefileFile(js::Env env, js::Object exports);
void initSavefileBuffer(js::Env env, js::Object exports);
void initConvert(js::Env env, js::Object exports);

// What is Linux alone (native/sources-linux.txt): initLinux() calls the others. RINGTAP_PORTABLE is defined where it is
// not compiled.
void initLinux(js::Env env, js::Object exports);
void initCapture(js::Env env, js::Object exports);
void initProbe(js::Env env, js::Object exports);
void initInterfaces(js::Env env, js::Object exports);
void initPeers(js::Env env, js::Object exports);
void initOwners(js::Env env, js::Object exports);
void initInject(js::Env env, js::Object exports);
void initReplay(js::Env env, js::Object exports);
// Adds its layouts to the object that the export `layouts` returns.
void addLinuxLayouts(js::Env env, js::Object layouts);

}  // namespace ringtap::binding
