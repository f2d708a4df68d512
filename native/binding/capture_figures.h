// The ledger as lib/capture-stats.ts takes it.
#pragma once

#include <napi.h>

#include "core/capture.h"

namespace ringtap::binding {

// NativeCaptureStats of lib/native.ts.
[[nodiscard]] Napi::Object toJs(Napi::Env env, const Capture& capture, const CaptureFigures& figures);

}  // namespace ringtap::binding
