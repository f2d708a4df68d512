// The environment, handle scopes, and a value of any type.
#pragma once

#include <napi.h>

namespace ringtap::js {

class Value;

class Env : private Napi::Env {
 public:
  Env(napi_env env = nullptr) : Napi::Env(env) {}
  using Napi::Env::operator napi_env;

  [[nodiscard]] Value Undefined() const;
  [[nodiscard]] bool IsExceptionPending() const {
    bool pending = false;
    return napi_is_exception_pending(*this, &pending) == napi_ok && pending;
  }
  // Whether JavaScript can run: no exception is pending, and the environment is not ending.
  [[nodiscard]] bool canRun() const;
};

class HandleScope {
 public:
  explicit HandleScope(napi_env env) : env_(env) {
    if (napi_open_handle_scope(env, &scope_) != napi_ok) scope_ = nullptr;
  }
  ~HandleScope() {
    if (scope_ != nullptr) napi_close_handle_scope(env_, scope_);
  }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;

 private:
  napi_env env_;
  napi_handle_scope scope_ = nullptr;
};

// Valid until the native function called from JavaScript returns.
class Value : private Napi::Value {
 public:
  Value() = default;
  Value(napi_env env, napi_value value) : Napi::Value(env, value) {}
  using Napi::Value::operator napi_value;
  using Napi::Value::IsEmpty;

  [[nodiscard]] js::Env Env() const { return _env; }
  [[nodiscard]] bool IsString() const { return type() == napi_string; }
  [[nodiscard]] bool IsNumber() const { return type() == napi_number; }
  [[nodiscard]] bool IsObject() const { return type() == napi_object; }
  [[nodiscard]] bool IsFunction() const { return type() == napi_function; }
  [[nodiscard]] bool IsArray() const {
    bool is = false;
    return _value != nullptr && napi_is_array(_env, _value, &is) == napi_ok && is;
  }
  // Not checked: reading a value of another type is safe.
  template <typename T>
  [[nodiscard]] T As() const {
    return T(_env, _value);
  }

 protected:
  [[nodiscard]] napi_valuetype type() const {
    napi_valuetype type = napi_undefined;
    if (_value == nullptr || napi_typeof(_env, _value, &type) != napi_ok) return napi_undefined;
    return type;
  }

  using Napi::Value::_env;
  using Napi::Value::_value;
};

inline Value Env::Undefined() const {
  napi_value made = nullptr;
  napi_get_undefined(*this, &made);
  return {*this, made};
}

// napi_strict_equals is the cheapest of the calls that fail while JavaScript cannot run.
inline bool Env::canRun() const {
  const Value undefined = Undefined();
  bool equal = false;
  return !undefined.IsEmpty() && napi_strict_equals(*this, undefined, undefined, &equal) == napi_ok;
}

}  // namespace ringtap::js
