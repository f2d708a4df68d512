// A capture's statistics in the form that lib/capture/capture-stats.ts takes.
#pragma once

#include "binding/util/js.h"
#include "core/capture/capture.h"

namespace ringtap::binding {

// NativeCaptureStats of lib/native/native.ts.
[[nodiscard]] js::Object toJs(js::Env env, const CaptureStats& stats);

// The numbers that are checked for losses, as one row (read by lib/capture/loss-stats.ts).
[[nodiscard]] js::Value toLossSample(js::Env env, const CaptureStats& stats);

}  // namespace ringtap::binding
