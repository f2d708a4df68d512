// The ledger as lib/capture-stats.ts takes it.
#pragma once

#include <napi.h>

#include "core/capture.h"

namespace ringtap::binding {

// NativeCaptureStats of lib/native.ts.
[[nodiscard]] Napi::Object toJs(Napi::Env env, const Capture& capture, const CaptureFigures& figures);

// The part of it that is watched for losses, as numbers in a row (lib/loss-figures.ts reads them).
[[nodiscard]] Napi::Value toLossSample(Napi::Env env, const Capture& capture, const CaptureFigures& figures);

}  // namespace ringtap::binding
