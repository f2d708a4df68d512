#include "core/savefile/codecs.h"

#ifndef RINGTAP_CODECS_LINKED
#include <dlfcn.h>

#include <memory>
#endif

namespace ringtap {

#ifdef RINGTAP_CODECS_LINKED

const Zlib* zlib() {
  static constexpr Zlib functions{::inflateInit2_, ::inflate, ::inflateReset, ::inflateEnd};
  return &functions;
}

const Zstd* zstd() {
  static constexpr Zstd functions{::ZSTD_createDCtx,       ::ZSTD_freeDCtx, ::ZSTD_DCtx_setParameter,
                                  ::ZSTD_decompressStream, ::ZSTD_isError,  ::ZSTD_getErrorName};
  return &functions;
}

#else

namespace {

// Loads functions from the process itself, or else from a shared library.
template <typename Functions>
std::unique_ptr<const Functions> load(const char* library, bool (*bind)(Functions&, void*)) {
  auto functions = std::make_unique<Functions>();
  if (bind(*functions, RTLD_DEFAULT)) return functions;
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr && bind(*functions, handle)) return functions;
  return nullptr;
}

template <typename Function>
bool find(Function*& function, void* handle, const char* name) {
  function = reinterpret_cast<Function*>(::dlsym(handle, name));
  return function != nullptr;
}

bool bindZlib(Zlib& zlib, void* handle) {
  return find(zlib.init, handle, "inflateInit2_") && find(zlib.inflate, handle, "inflate") &&
         find(zlib.reset, handle, "inflateReset") && find(zlib.end, handle, "inflateEnd");
}

bool bindZstd(Zstd& zstd, void* handle) {
  return find(zstd.create, handle, "ZSTD_createDCtx") && find(zstd.free, handle, "ZSTD_freeDCtx") &&
         find(zstd.set, handle, "ZSTD_DCtx_setParameter") && find(zstd.decompress, handle, "ZSTD_decompressStream") &&
         find(zstd.isError, handle, "ZSTD_isError") && find(zstd.errorName, handle, "ZSTD_getErrorName");
}

}  // namespace

const Zlib* zlib() {
  static const std::unique_ptr<const Zlib> functions = load<Zlib>("libz.so.1", bindZlib);
  return functions.get();
}

const Zstd* zstd() {
  static const std::unique_ptr<const Zstd> functions = load<Zstd>("libzstd.so.1", bindZstd);
  return functions.get();
}

#endif

}  // namespace ringtap
