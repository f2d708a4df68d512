// JavaScript values for the binding: a thin layer on node-addon-api.
//
// Any call into the engine may fail: an exception is pending, the worker is being terminated, memory is exhausted. None
// of these ends the process. A value that could not be made is empty. Reading an empty value, or one of another type,
// returns zero, false, "" or no bytes; setting or calling it has no effect. So a function may run to its end in such a
// state: JavaScript sees the exception, or runs no more. Two rules follow:
//  - code that acquires a resource (a thread, a descriptor) checks Env::canRun() after it has read its arguments;
//  - code that gives memory to a value (External, ObjectWrap, Function) keeps or frees it if the value is empty.
//
// node-addon-api's own calls report a failure as an error object. In these states none can be made, and without C++
// exceptions it then ends the process (Error::New in napi-inl.h). So this layer uses only its handles and its
// registration of the module, hides every call that can fail, and keeps the names.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

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

class ArrayBuffer : public Value {
 public:
  using Value::Value;
  static ArrayBuffer New(napi_env env, std::size_t length) {
    napi_value made = nullptr;
    void* data = nullptr;
    if (napi_create_arraybuffer(env, length, &data, &made) != napi_ok) return {};
    return {env, made};
  }
  [[nodiscard]] void* Data() const { return bytes().first; }
  [[nodiscard]] std::size_t ByteLength() const { return bytes().second; }
  [[nodiscard]] bool IsDetached() const {
    bool is = false;
    return _value != nullptr && napi_is_detached_arraybuffer(_env, _value, &is) == napi_ok && is;
  }
  // Returns whether the ArrayBuffer is detached.
  bool Detach() { return _value != nullptr && napi_detach_arraybuffer(_env, _value) == napi_ok; }

 private:
  [[nodiscard]] std::pair<void*, std::size_t> bytes() const {
    void* data = nullptr;
    std::size_t length = 0;
    if (_value == nullptr || napi_get_arraybuffer_info(_env, _value, &data, &length) != napi_ok) return {};
    return {data, length};
  }
};

// A typed array of this element type; Buffers are Uint8Arrays. An array of another type reads as empty.
template <typename T, napi_typedarray_type kType>
class TypedArray : public Value {
 public:
  using Value::Value;
  static TypedArray New(napi_env env, std::size_t length) {
    const ArrayBuffer buffer = ArrayBuffer::New(env, length * sizeof(T));
    napi_value made = nullptr;
    if (buffer.IsEmpty() || napi_create_typedarray(env, kType, length, buffer, 0, &made) != napi_ok) return {};
    return {env, made};
  }
  [[nodiscard]] T* Data() const { return elements().first; }
  [[nodiscard]] std::size_t ElementLength() const { return elements().second; }
  [[nodiscard]] std::size_t ByteLength() const { return elements().second * sizeof(T); }
  // Address and length of the elements, read once.
  [[nodiscard]] std::pair<T*, std::size_t> elements() const {
    napi_typedarray_type type{};
    std::size_t length = 0;
    void* data = nullptr;
    if (_value == nullptr ||
        napi_get_typedarray_info(_env, _value, &type, &length, &data, nullptr, nullptr) != napi_ok || type != kType) {
      return {};
    }
    return {static_cast<T*>(data), length};
  }
};
using Uint8Array = TypedArray<std::uint8_t, napi_uint8_array>;
using Uint32Array = TypedArray<std::uint32_t, napi_uint32_array>;
using Float64Array = TypedArray<double, napi_float64_array>;

// A Buffer with these bytes.
[[nodiscard]] inline Value copyToBuffer(napi_env env, const void* bytes, std::size_t length) {
  napi_value made = nullptr;
  void* data = nullptr;
  if (napi_create_buffer_copy(env, length, bytes, &data, &made) != napi_ok) return {};
  return {env, made};
}

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
