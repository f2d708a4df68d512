// State of one environment (the main thread, or one worker): nothing native is global.
#pragma once

#include <napi.h>

namespace ringtap::binding {

struct Instance {
  Napi::FunctionReference errorFactory;
  Napi::FunctionReference capture;   // the class behind lib/capture/capture.ts
  Napi::FunctionReference savefile;  // and behind lib/savefile/savefile.ts

  static Instance& of(Napi::Env env) { return *env.GetInstanceData<Instance>(); }
};

}  // namespace ringtap::binding
