// Booleans, numbers and strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "binding/util/js/value.h"

namespace ringtap::js {

class Boolean : public Value {
 public:
  using js::Value::Value;
  static Boolean New(napi_env env, bool value) {
    napi_value made = nullptr;
    napi_get_boolean(env, value, &made);
    return {env, made};
  }
  [[nodiscard]] bool Value() const {
    bool value = false;
    if (_value == nullptr || napi_get_value_bool(_env, _value, &value) != napi_ok) return false;
    return value;
  }
};

class Number : public Value {
 public:
  using Value::Value;
  static Number New(napi_env env, double value) {
    napi_value made = nullptr;
    napi_create_double(env, value, &made);
    return {env, made};
  }
  [[nodiscard]] double DoubleValue() const { return read<double>(napi_get_value_double); }
  [[nodiscard]] std::uint32_t Uint32Value() const { return read<std::uint32_t>(napi_get_value_uint32); }
  [[nodiscard]] std::int32_t Int32Value() const { return read<std::int32_t>(napi_get_value_int32); }
  [[nodiscard]] std::int64_t Int64Value() const { return read<std::int64_t>(napi_get_value_int64); }

 private:
  template <typename T, typename Get>
  [[nodiscard]] T read(Get get) const {
    T value{};
    if (_value == nullptr || get(_env, _value, &value) != napi_ok) return {};
    return value;
  }
};

class BigInt : public Value {
 public:
  using Value::Value;
  static BigInt New(napi_env env, std::uint64_t value) {
    napi_value made = nullptr;
    napi_create_bigint_uint64(env, value, &made);
    return {env, made};
  }
  // The lower 64 bits.
  [[nodiscard]] std::uint64_t Uint64Value() const {
    std::uint64_t value = 0;
    bool lossless = false;
    if (_value == nullptr || napi_get_value_bigint_uint64(_env, _value, &value, &lossless) != napi_ok) return 0;
    return value;
  }
};

class String : public Value {
 public:
  using Value::Value;
  static String New(napi_env env, std::string_view text) {
    napi_value made = nullptr;
    napi_create_string_utf8(env, text.data(), text.size(), &made);
    return {env, made};
  }
  [[nodiscard]] std::string Utf8Value() const {
    std::size_t length = 0;
    if (_value == nullptr || napi_get_value_string_utf8(_env, _value, nullptr, 0, &length) != napi_ok) return {};
    std::string text(length, '\0');
    if (napi_get_value_string_utf8(_env, _value, text.data(), length + 1, &length) != napi_ok) return {};
    return text;
  }
};

}  // namespace ringtap::js
