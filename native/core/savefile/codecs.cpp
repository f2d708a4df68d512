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

// Node's own zlib, which uses the processor's vector instructions: two thirds of the time of the plain one.
std::optional<Zlib> processZlib() {
  Zlib functions{};
  return bind(functions, RTLD_DEFAULT) ? std::optional(functions) : std::nullopt;
}

#ifdef RINGTAP_CODECS_LINKED

std::optional<Zlib> otherZlib() { return Zlib{::inflateInit2_, ::inflate, ::inflateReset, ::inflateEnd}; }

std::optional<Zstd> anyZstd() {
  return Zstd{::ZSTD_createDCtx,       ::ZSTD_freeDCtx, ::ZSTD_DCtx_setParameter,
              ::ZSTD_decompressStream, ::ZSTD_isError,  ::ZSTD_getErrorName};
}

#else

bool bind(Zstd& zstd, void* handle) {
  return find(zstd.create, handle, "ZSTD_createDCtx") && find(zstd.free, handle, "ZSTD_freeDCtx") &&
         find(zstd.set, handle, "ZSTD_DCtx_setParameter") && find(zstd.decompress, handle, "ZSTD_decompressStream") &&
         find(zstd.isError, handle, "ZSTD_isError") && find(zstd.errorName, handle, "ZSTD_getErrorName");
}

template <typename Functions>
std::optional<Functions> load(const char* library) {
  Functions functions{};
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  return handle != nullptr && bind(functions, handle) ? std::optional(functions) : std::nullopt;
}

std::optional<Zlib> otherZlib() { return load<Zlib>("libz.so.1"); }

std::optional<Zstd> anyZstd() {
  Zstd functions{};
  return bind(functions, RTLD_DEFAULT) ? std::optional(functions) : load<Zstd>("libzstd.so.1");
}

#endif

}  // namespace

const Zlib* zlib() {
  static const std::optional<Zlib> functions = [] {
    auto found = processZlib();
    return found ? found : otherZlib();
  }();
  return functions ? &*functions : nullptr;
}

const Zstd* zstd() {
  static const std::optional<Zstd> functions = anyZstd();
  return functions ? &*functions : nullptr;
}

}  // namespace ringtap
