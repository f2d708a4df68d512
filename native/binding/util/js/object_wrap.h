// Classes whose instances are native objects.
#pragma once

#include <memory>
#include <vector>

#include "binding/util/js/functions.h"
#include "binding/util/js/objects.h"
#include "binding/util/js/value.h"

namespace ringtap::js {

// A class whose instances are native objects: `class T : public ObjectWrap<T>` with a constructor that takes the
// CallbackInfo. An instance whose constructor left an exception pending is deleted immediately, any other with its
// JavaScript object.
template <typename T>
class ObjectWrap {
 public:
  ObjectWrap() = default;
  virtual ~ObjectWrap() {
    if (self_ != nullptr) (void)napi_delete_reference(env_, self_);
  }
  ObjectWrap(const ObjectWrap&) = delete;
  ObjectWrap& operator=(const ObjectWrap&) = delete;

  // Null if the object is empty or not an instance.
  static T* Unwrap(const Object& object) {
    void* data = nullptr;
    if (object.IsEmpty() || napi_unwrap(object.Env(), object, &data) != napi_ok) return nullptr;
    return static_cast<T*>(data);
  }

 protected:
  template <auto kMethod>
  static napi_property_descriptor InstanceMethod(const char* name) {
    napi_property_descriptor descriptor{};
    descriptor.utf8name = name;
    descriptor.attributes = napi_default_method;
    descriptor.method = [](napi_env env, napi_callback_info given) -> napi_value {
      const CallbackInfo info(env, given);
      T* self = Unwrap(info.This());
      if (self == nullptr) return nullptr;
      return detail::call([self](const CallbackInfo& info) { return (self->*kMethod)(info); }, info);
    };
    return descriptor;
  }
  static Function DefineClass(napi_env env, const char* name, std::vector<napi_property_descriptor> methods) {
    napi_value made = nullptr;
    if (napi_define_class(env, name, NAPI_AUTO_LENGTH, &construct, nullptr, methods.size(), methods.data(), &made) !=
        napi_ok) {
      return {};
    }
    return {env, made};
  }

  // The JavaScript object. Not available in the constructor.
  [[nodiscard]] Object Value() const {
    napi_value value = nullptr;
    if (self_ == nullptr || napi_get_reference_value(env_, self_, &value) != napi_ok) return {};
    return {env_, value};
  }

 private:
  static napi_value construct(napi_env env, napi_callback_info given) {
    const CallbackInfo info(env, given);
    auto made = std::make_unique<T>(info);
    if (!info.Env().canRun()) return nullptr;
    ObjectWrap& base = *made;
    base.env_ = env;
    const napi_status status = napi_wrap(
        env, info.This(), static_cast<void*>(made.get()),
        [](napi_env env, void* data, void*) {
          const HandleScope scope(env);
          delete static_cast<T*>(data);
        },
        nullptr, &base.self_);
    if (status != napi_ok) {
      base.self_ = nullptr;
      return nullptr;
    }
    (void)made.release();
    return info.This();
  }

  napi_env env_ = nullptr;
  napi_ref self_ = nullptr;  // weak
};

}  // namespace ringtap::js
