// Conversions between JavaScript's values and the types of the core.
//
// The library has checked what it passes, so nothing is refused here: a field that is missing or of another type reads
// as zero, false or empty (js.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binding/util/errors.h"
#include "binding/util/js.h"
#include "core/util/result.h"

namespace ringtap::binding {

// The text of a string; none for any other value.
[[nodiscard]] inline std::optional<std::string> textOf(const js::Value& value) {
  if (!value.IsString()) return std::nullopt;
  return value.As<js::String>().Utf8Value();
}

[[nodiscard]] inline std::vector<std::string> textsOf(const js::Value& list) {
  const auto array = list.As<js::Array>();
  std::vector<std::string> texts(array.Length());
  for (std::uint32_t i = 0; i < texts.size(); ++i) texts[i] = array.Get(i).As<js::String>().Utf8Value();
  return texts;
}

// An array of convert(item) for each item.
template <typename Items, typename Convert>
[[nodiscard]] js::Array listOf(js::Env env, const Items& items, Convert convert) {
  js::Array list = js::Array::New(env, items.size());
  std::uint32_t at = 0;
  for (const auto& item : items) list.Set(at++, convert(item));
  return list;
}

[[nodiscard]] inline js::Array toJs(js::Env env, const std::vector<std::string>& texts) {
  return listOf(env, texts, [env](const std::string& text) { return js::String::New(env, text); });
}

// The fields of an object.
class Fields {
 public:
  explicit Fields(const js::Value& object) : object_(object.As<js::Object>()) {}

  [[nodiscard]] js::Value operator[](const char* name) const { return object_.Get(name); }
  [[nodiscard]] std::uint32_t number(const char* name) const { return (*this)[name].As<js::Number>().Uint32Value(); }
  [[nodiscard]] double real(const char* name) const { return (*this)[name].As<js::Number>().DoubleValue(); }
  // A whole number that may exceed 32 bits.
  [[nodiscard]] std::uint64_t large(const char* name) const { return static_cast<std::uint64_t>(real(name)); }
  [[nodiscard]] bool flag(const char* name) const { return (*this)[name].As<js::Boolean>().Value(); }
  [[nodiscard]] std::string text(const char* name) const { return (*this)[name].As<js::String>().Utf8Value(); }
  [[nodiscard]] std::optional<std::string> optionalText(const char* name) const { return textOf((*this)[name]); }
  [[nodiscard]] std::vector<std::string> texts(const char* name) const { return textsOf((*this)[name]); }
  [[nodiscard]] std::vector<std::uint32_t> numbers(const char* name) const {
    const auto array = (*this)[name].As<js::Array>();
    std::vector<std::uint32_t> numbers(array.Length());
    for (std::uint32_t i = 0; i < numbers.size(); ++i) numbers[i] = array.Get(i).As<js::Number>().Uint32Value();
    return numbers;
  }

 private:
  js::Object object_;
};

// The native object behind a handle, a js::External<T>. Returns null, with an exception pending, if `value` is no
// handle; `what` names the object in the message.
template <typename T>
[[nodiscard]] T* handleOf(const js::Value& value, const char* what) {
  T* object = value.As<js::External<T>>().Data();
  if (object == nullptr) {
    throwError(value.Env(), Error{.code = Code::Option, .message = std::string("this is no handle of ") + what});
  }
  return object;
}

}  // namespace ringtap::binding
