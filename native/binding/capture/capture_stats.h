// The ledger as lib/capture/capture-stats.ts takes it.
#pragma once

#include "binding/util/js.h"
#include "core/capture/capture.h"

namespace ringtap::binding {

// NativeCaptureStats of lib/native/native.ts.
[[nodiscard]] js::Object toJs(js::Env env, const Capture& capture, const CaptureStats& stats);

// The part of it that is watched for losses, as numbers in a row (lib/capture/loss-stats.ts reads them).
[[nodiscard]] js::Value toLossSample(js::Env env, const Capture& capture, const CaptureStats& stats);

}  // namespace ringtap::binding
