// ArrayBuffers, typed arrays and Buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "binding/util/js/value.h"

namespace ringtap::js {

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

// A Uint8Array with these bytes: without a copy, unless the embedder refuses external memory. Empty if none could be
// made.
[[nodiscard]] inline Value giveBytes(napi_env env, std::unique_ptr<std::byte[]> bytes, std::size_t length) {
  napi_value buffer = nullptr;
  const auto gone = [](napi_env, void* data, void*) { delete[] static_cast<std::byte*>(data); };
  const napi_status status = napi_create_external_arraybuffer(env, bytes.get(), length, gone, nullptr, &buffer);
  if (status == napi_ok) {
    (void)bytes.release();
  } else if (status == napi_no_external_buffers_allowed) {
    const ArrayBuffer copy = ArrayBuffer::New(env, length);
    if (copy.Data() == nullptr) return {};
    std::memcpy(copy.Data(), bytes.get(), length);
    buffer = copy;
  } else {
    return {};
  }
  napi_value made = nullptr;
  if (napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &made) != napi_ok) return {};
  return {env, made};
}

// A Buffer with these bytes.
[[nodiscard]] inline Value copyToBuffer(napi_env env, const void* bytes, std::size_t length) {
  napi_value made = nullptr;
  void* data = nullptr;
  if (napi_create_buffer_copy(env, length, bytes, &data, &made) != napi_ok) return {};
  return {env, made};
}

}  // namespace ringtap::js
