// Functions, and the arguments of a call.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <type_traits>
#include <utility>

#include "binding/util/js/objects.h"
#include "binding/util/js/value.h"

namespace ringtap::js {

// The arguments of a call.
class CallbackInfo {
 public:
  CallbackInfo(napi_env env, napi_callback_info info) : env_(env) {
    if (napi_get_cb_info(env, info, &length_, values_, &this_, &data_) != napi_ok) length_ = 0;
    if (length_ > kMaxArguments) length_ = kMaxArguments;
  }
  [[nodiscard]] js::Env Env() const { return env_; }
  [[nodiscard]] std::size_t Length() const { return length_; }
  // undefined if there are fewer arguments.
  [[nodiscard]] Value operator[](std::size_t index) const {
    return index < length_ ? Value(env_, values_[index]) : env_.Undefined();
  }
  [[nodiscard]] Object This() const { return {env_, this_}; }
  [[nodiscard]] void* Data() const { return data_; }

 private:
  static constexpr std::size_t kMaxArguments = 8;
  js::Env env_;
  std::size_t length_ = kMaxArguments;
  napi_value values_[kMaxArguments] = {};
  napi_value this_ = nullptr;
  void* data_ = nullptr;
};

namespace detail {

// Calls body(info), which returns a value or nothing.
template <typename Body>
napi_value call(Body&& body, const CallbackInfo& info) {
  if constexpr (std::is_void_v<decltype(body(info))>) {
    body(info);
    return nullptr;
  } else {
    return body(info);
  }
}

}  // namespace detail

class Function : public Value {
 public:
  using Value::Value;
  // `body` is called with a CallbackInfo and lives as long as the function.
  template <typename Body>
  static Function New(napi_env env, Body body, const char* name = "") {
    auto own = std::make_unique<Body>(std::move(body));
    const napi_callback invoke = [](napi_env env, napi_callback_info given) -> napi_value {
      const CallbackInfo info(env, given);
      return detail::call(*static_cast<Body*>(info.Data()), info);
    };
    napi_value made = nullptr;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, invoke, own.get(), &made) != napi_ok) return {};
    // Without a finalizer the body leaks, which costs a few bytes; freeing it while the function exists would be
    // unsafe.
    (void)napi_add_finalizer(
        env, made, own.get(), [](napi_env, void* body, void*) { delete static_cast<Body*>(body); }, nullptr, nullptr);
    (void)own.release();
    return {env, made};
  }
  // Empty if it throws.
  js::Value Call(std::initializer_list<napi_value> arguments) const {
    napi_value receiver = nullptr;
    napi_value result = nullptr;
    if (_value == nullptr || napi_get_undefined(_env, &receiver) != napi_ok) return {};
    for (const napi_value argument : arguments) {
      if (argument == nullptr) return {};
    }
    if (napi_call_function(_env, receiver, _value, arguments.size(), arguments.begin(), &result) != napi_ok) return {};
    return {_env, result};
  }
  // new Function(): empty if it throws.
  [[nodiscard]] Object construct() const {
    napi_value made = nullptr;
    if (_value == nullptr || napi_new_instance(_env, _value, 0, nullptr, &made) != napi_ok) return {};
    return {_env, made};
  }
};

}  // namespace ringtap::js
