// A capture's recording as a JavaScript object.
#pragma once

#include <functional>
#include <memory>

#include "binding/util/convert.h"
#include "binding/util/js.h"
#include "core/record/recorder.h"

namespace ringtap::binding {

// Opens the first file off the event loop, then attaches the recorder to its capture on JavaScript's thread. `capture`
// is kept alive until then. Resolves to a NativeRecording (lib/record/native.ts).
[[nodiscard]] js::Value record(js::Env env, const Fields& options, js::Object capture,
                               std::function<Result<>(std::shared_ptr<Recorder>)> attach);

}  // namespace ringtap::binding
