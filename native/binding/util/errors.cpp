#include "binding/util/errors.h"

#include "binding/util/exports.h"
#include "binding/util/instance.h"

namespace ringtap::binding {

namespace {

const char* codeName(Code code) {
  switch (code) {
    case Code::System: return "ERR_SYSTEM";
    case Code::Permission: return "ERR_PERMISSION";
    case Code::NoInterface: return "ERR_NO_INTERFACE";
    case Code::FilterSyntax: return "ERR_FILTER_SYNTAX";
    case Code::FilterTooLarge: return "ERR_FILTER_TOO_LARGE";
    case Code::Pattern: return "ERR_PATTERN";
    case Code::Option: return "ERR_OPTION";
    case Code::Closed: return "ERR_CLOSED";
    case Code::FileFormat: return "ERR_FILE_FORMAT";
    case Code::FileDamaged: return "ERR_FILE_DAMAGED";
    case Code::FileTruncated: return "ERR_FILE_TRUNCATED";
  }
  return "ERR_SYSTEM";
}

}  // namespace

void initErrors(js::Env env, js::Object exports) {
  exportFunction(env, exports, "setErrorFactory", [](const js::CallbackInfo& info) {
    Instance::of(info.Env()).errorFactory = js::Persistent(info[0].As<js::Function>());
  });
}

js::Value toJs(js::Env env, const Error& error) {
  const js::Function factory = Instance::of(env).errorFactory.Value();
  if (factory.IsEmpty()) {
    napi_value made = nullptr;
    (void)napi_create_error(env, nullptr, js::String::New(env, error.message), &made);
    return {env, made};
  }
  return factory.Call({js::String::New(env, codeName(error.code)), js::String::New(env, error.message),
                       js::Number::New(env, error.number), js::String::New(env, error.syscall),
                       js::String::New(env, error.interface), js::String::New(env, error.option),
                       js::Number::New(env, static_cast<double>(error.offset))});
}

void throwError(js::Env env, const Error& error) {
  const js::Value value = toJs(env, error);
  if (!value.IsEmpty()) (void)napi_throw(env, value);
}

}  // namespace ringtap::binding
