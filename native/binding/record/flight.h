// A capture's flight recorder as a JavaScript object.
#pragma once

#include <functional>
#include <memory>

#include "binding/util/convert.h"
#include "binding/util/js.h"
#include "core/record/flight_dump.h"
#include "core/record/recorder.h"

namespace ringtap::binding {

// Makes a flight recorder and attaches it to its capture. Returns a NativeFlight (lib/record/native.ts), or empty with
// an exception pending.
[[nodiscard]] js::Value flight(js::Env env, const Fields& options,
                               const std::function<Result<>(std::shared_ptr<Recorder>)>& attach);

// The dump behind a handle of NativeFlight.dump(). Null, with an exception pending, if `value` is none.
[[nodiscard]] std::shared_ptr<FlightDump> flightDumpOf(const js::Value& value);

}  // namespace ringtap::binding
