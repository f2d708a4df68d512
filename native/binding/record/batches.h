// A capture's batches as a JavaScript object.
#pragma once

#include <functional>
#include <memory>

#include "binding/util/convert.h"
#include "binding/util/js.h"
#include "core/record/recorder.h"

namespace ringtap::binding {

// Makes a recorder into batches and attaches it to its capture. Returns a NativeBatches (lib/record/native.ts), or
// empty with an exception pending.
[[nodiscard]] js::Value batches(js::Env env, const Fields& options,
                                const std::function<Result<>(std::shared_ptr<Recorder>)>& attach);

}  // namespace ringtap::binding
