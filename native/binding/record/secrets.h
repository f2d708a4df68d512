// TLS secrets for a recording or batches.
#pragma once

#include <memory>

#include "binding/util/js.h"
#include "core/record/recorder.h"

namespace ringtap::binding {

// addSecrets(lines: Uint8Array), see Recorder.
[[nodiscard]] inline js::Function addSecrets(js::Env env, const std::shared_ptr<Recorder>& recorder) {
  return js::Function::New(
      env,
      [recorder](const js::CallbackInfo& info) -> js::Value {
        const auto [bytes, length] = info[0].As<js::Uint8Array>().elements();
        recorder->addSecrets({bytes, length});
        return info.Env().Undefined();
      },
      "addSecrets");
}

}  // namespace ringtap::binding
