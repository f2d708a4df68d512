// Native objects that JavaScript holds, and JavaScript values that native code holds.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "binding/util/js/functions.h"
#include "binding/util/js/objects.h"
#include "binding/util/js/value.h"

namespace ringtap::js {

// A native object, opaque to JavaScript, that is deleted with its handle.
template <typename T>
class External : public Value {
 public:
  using Value::Value;
  // Empty, with `own` deleted, if it cannot be made.
  static External New(napi_env env, std::unique_ptr<T> own) {
    napi_value made = nullptr;
    const napi_status status = napi_create_external(
        env, own.get(), [](napi_env, void* data, void*) { delete static_cast<T*>(data); }, nullptr, &made);
    if (status != napi_ok) return {};
    (void)own.release();
    return {env, made};
  }
  // Null if the value is not an External.
  [[nodiscard]] T* Data() const {
    void* data = nullptr;
    if (type() != napi_external || napi_get_value_external(_env, _value, &data) != napi_ok) return nullptr;
    return static_cast<T*>(data);
  }
};

// Keeps a value beyond the call, or (weak) refers to it while it exists.
template <typename T>
class Reference {
 public:
  Reference() = default;
  Reference(Reference&& other) noexcept : env_(other.env_), reference_(std::exchange(other.reference_, nullptr)) {}
  Reference& operator=(Reference&& other) noexcept {
    if (this != &other) {
      reset();
      env_ = other.env_;
      reference_ = std::exchange(other.reference_, nullptr);
    }
    return *this;
  }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference() { reset(); }

  static Reference make(const T& value, std::uint32_t count) {
    Reference made;
    made.env_ = value.Env();
    if (value.IsEmpty() || napi_create_reference(made.env_, value, count, &made.reference_) != napi_ok) {
      made.reference_ = nullptr;
    }
    return made;
  }
  [[nodiscard]] bool IsEmpty() const { return reference_ == nullptr; }
  // Empty if the value is gone.
  [[nodiscard]] T Value() const {
    napi_value value = nullptr;
    if (reference_ == nullptr || napi_get_reference_value(env_, reference_, &value) != napi_ok) return {};
    return T(env_, value);
  }

 private:
  void reset() {
    if (reference_ != nullptr) (void)napi_delete_reference(env_, std::exchange(reference_, nullptr));
  }

  napi_env env_ = nullptr;
  napi_ref reference_ = nullptr;
};
using ObjectReference = Reference<Object>;
using FunctionReference = Reference<Function>;
template <typename T>
Reference<T> Persistent(const T& value) {
  return Reference<T>::make(value, 1);
}
template <typename T>
Reference<T> Weak(const T& value) {
  return Reference<T>::make(value, 0);
}

}  // namespace ringtap::js
