// From the core's Error to lib/errors.ts's CaptureError.
#pragma once

#include "binding/util/js.h"
#include "core/util/result.h"

namespace ringtap::binding {

// exports.setErrorFactory((code, message, errno, syscall, interface, offset) => CaptureError): the library calls it
// once when it loads, so that native errors are of its class.
void initErrors(js::Env env, js::Object exports);

// A CaptureError for `error`, to throw or to reject with. Empty where JavaScript cannot run, with the exception pending
// that is in the way, if it is one.
[[nodiscard]] js::Value toJs(js::Env env, const Error& error);

// Throws it, or leaves what is pending; the caller returns right after.
void throwError(js::Env env, const Error& error);

}  // namespace ringtap::binding
