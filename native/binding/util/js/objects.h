// Objects and arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "binding/util/js/primitives.h"
#include "binding/util/js/value.h"

namespace ringtap::js {

class Object : public Value {
 public:
  using Value::Value;
  static Object New(napi_env env) {
    napi_value made = nullptr;
    napi_create_object(env, &made);
    return {env, made};
  }
  [[nodiscard]] js::Value Get(const char* name) const {
    napi_value got = nullptr;
    if (_value == nullptr || napi_get_named_property(_env, _value, name, &got) != napi_ok) return {};
    return {_env, got};
  }
  void Set(const char* name, napi_value value) {
    if (_value != nullptr && value != nullptr) (void)napi_set_named_property(_env, _value, name, value);
  }
  void Set(const char* name, std::string_view value) { Set(name, String::New(_env, value)); }
  void Set(const char* name, const char* value) { Set(name, std::string_view(value)); }
  template <typename T>
  requires std::is_arithmetic_v<T>
  void Set(const char* name, T value) {
    if constexpr (std::is_same_v<T, bool>) Set(name, Boolean::New(_env, value));
    else Set(name, Number::New(_env, static_cast<double>(value)));
  }
  void Freeze() {
    if (_value != nullptr) (void)napi_object_freeze(_env, _value);
  }
};

class Array : public Object {
 public:
  using Object::Object;
  static Array New(napi_env env, std::size_t length = 0) {
    napi_value made = nullptr;
    napi_create_array_with_length(env, length, &made);
    return {env, made};
  }
  [[nodiscard]] std::uint32_t Length() const {
    std::uint32_t length = 0;
    if (_value == nullptr || napi_get_array_length(_env, _value, &length) != napi_ok) return 0;
    return length;
  }
  // undefined for a hole.
  [[nodiscard]] js::Value Get(std::uint32_t index) const {
    napi_value got = nullptr;
    if (_value == nullptr || napi_get_element(_env, _value, index, &got) != napi_ok) return {};
    return {_env, got};
  }
  void Set(std::uint32_t index, napi_value value) {
    if (_value != nullptr && value != nullptr) (void)napi_set_element(_env, _value, index, value);
  }
};

}  // namespace ringtap::js
