#include "core/savefile/codecs.h"

#include <dlfcn.h>

#include <optional>

namespace ringtap {

namespace {

template <typename Function>
bool find(Function*& function, void* handle, const char* name) {
  function = reinterpret_cast<Function*>(::dlsym(handle, name));
  return function != nullptr;
}

bool bind(Zlib& zlib, void* handle) {
  return find(zlib.init, handle, "inflateInit2_") && find(zlib.inflate, handle, "inflate") &&
         find(zlib.reset, handle, "inflateReset") && find(zlib.end, handle, "inflateEnd");
}

bool bind(ZlibPacking& zlib, void* handle) {
  return find(zlib.init, handle, "deflateInit2_") && find(zlib.deflate, handle, "deflate") &&
         find(zlib.reset, handle, "deflateReset") && find(zlib.end, handle, "deflateEnd");
}

#ifdef RINGTAP_CODECS_LINKED

void link(Zlib& zlib) { zlib = {::inflateInit2_, ::inflate, ::inflateReset, ::inflateEnd}; }

void link(ZlibPacking& zlib) { zlib = {::deflateInit2_, ::deflate, ::deflateReset, ::deflateEnd}; }

void link(Zstd& zstd) {
  zstd = {::ZSTD_createDCtx,       ::ZSTD_freeDCtx, ::ZSTD_DCtx_setParameter,
          ::ZSTD_decompressStream, ::ZSTD_isError,  ::ZSTD_getErrorName};
}

void link(ZstdPacking& zstd) {
  zstd = {::ZSTD_createCCtx,      ::ZSTD_freeCCtx, ::ZSTD_CCtx_setParameter,
          ::ZSTD_compressStream2, ::ZSTD_isError,  ::ZSTD_getErrorName};
}

template <typename Functions>
bool load(Functions& functions, const char*) {
  link(functions);
  return true;
}

constexpr bool kZstdOfProcess = false;

#else

bool bind(Zstd& zstd, void* handle) {
  return find(zstd.create, handle, "ZSTD_createDCtx") && find(zstd.free, handle, "ZSTD_freeDCtx") &&
         find(zstd.set, handle, "ZSTD_DCtx_setParameter") && find(zstd.decompress, handle, "ZSTD_decompressStream") &&
         find(zstd.isError, handle, "ZSTD_isError") && find(zstd.errorName, handle, "ZSTD_getErrorName");
}

bool bind(ZstdPacking& zstd, void* handle) {
  return find(zstd.create, handle, "ZSTD_createCCtx") && find(zstd.free, handle, "ZSTD_freeCCtx") &&
         find(zstd.set, handle, "ZSTD_CCtx_setParameter") && find(zstd.compress, handle, "ZSTD_compressStream2") &&
         find(zstd.isError, handle, "ZSTD_isError") && find(zstd.errorName, handle, "ZSTD_getErrorName");
}

template <typename Functions>
bool load(Functions& functions, const char* library) {
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  return handle != nullptr && bind(functions, handle);
}

constexpr bool kZstdOfProcess = true;

#endif

// Node's own zlib uses the processor's vector instructions: two thirds of the time of the plain one.
template <typename Functions>
std::optional<Functions> anyZlib() {
  Functions functions{};
  if (bind(functions, RTLD_DEFAULT) || load(functions, kZlibFile)) return functions;
  return std::nullopt;
}

template <typename Functions>
std::optional<Functions> anyZstd() {
  Functions functions{};
  if constexpr (kZstdOfProcess) {
    if (bind(functions, RTLD_DEFAULT)) return functions;
  }
  if (load(functions, kZstdFile)) return functions;
  return std::nullopt;
}

template <typename Functions>
const Functions* addressOf(const std::optional<Functions>& functions) {
  return functions ? &*functions : nullptr;
}

}  // namespace

const Zlib* zlib() {
  static const auto functions = anyZlib<Zlib>();
  return addressOf(functions);
}

const Zstd* zstd() {
  static const auto functions = anyZstd<Zstd>();
  return addressOf(functions);
}

const ZlibPacking* zlibPacking() {
  static const auto functions = anyZlib<ZlibPacking>();
  return addressOf(functions);
}

const ZstdPacking* zstdPacking() {
  static const auto functions = anyZstd<ZstdPacking>();
  return addressOf(functions);
}

}  // namespace ringtap
