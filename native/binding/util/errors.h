// Converts the core's Error to the CaptureError of lib/errors.ts.
#pragma once

#include "binding/util/js.h"
#include "core/util/result.h"

namespace ringtap::binding {

// exports.setErrorFactory((code, message, errno, syscall, interface, offset) => CaptureError): the library calls it
// once when it loads, so that native errors are instances of its class.
void initErrors(js::Env env, js::Object exports);

// A CaptureError for `error`, to throw or to reject with. Empty if JavaScript cannot run; a pending exception that is
// the cause stays pending.
[[nodiscard]] js::Value toJs(js::Env env, const Error& error);

// Throws the error unless an exception is pending; the caller must return right after.
void throwError(js::Env env, const Error& error);

}  // namespace ringtap::binding
