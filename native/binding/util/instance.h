// State of one environment (the main thread or a worker): the binding has no global state.
#pragma once

#include <memory>

#include "binding/util/js.h"

namespace ringtap::binding {

struct Instance {
  js::FunctionReference errorFactory;
  js::FunctionReference capture;   // the class behind lib/capture/capture.ts
  js::FunctionReference savefile;  // the class behind lib/savefile/savefile.ts

  // Returns false if memory cannot be allocated. The instance is deleted with the environment.
  [[nodiscard]] static bool create(js::Env env) {
    auto own = std::make_unique<Instance>();
    const auto gone = [](napi_env, void* data, void*) { delete static_cast<Instance*>(data); };
    if (napi_set_instance_data(env, own.get(), gone, nullptr) != napi_ok) return false;
    (void)own.release();
    return true;
  }
  static Instance& of(js::Env env) {
    void* data = nullptr;
    (void)napi_get_instance_data(env, &data);
    return *static_cast<Instance*>(data);
  }
};

}  // namespace ringtap::binding
