// zlib and zstd, as tables of the functions that unpacking and packing need.
//
// zlib is that of the process, if it has one, as Node does: that one is faster. Otherwise, and for zstd, an addon of
// the package has them linked statically (RINGTAP_CODECS_LINKED), and one built from source loads the system's at run
// time, so that neither is needed to build it, or for files that are not compressed. What the latter uses of them is
// declared here; it has not changed since zlib 1.0 and zstd 1.4.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef RINGTAP_CODECS_LINKED
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>
#endif

namespace ringtap {

#ifdef RINGTAP_CODECS_LINKED
using ZStream = z_stream;
using ZstdContext = ZSTD_DCtx;
using ZstdInput = ZSTD_inBuffer;
using ZstdOutput = ZSTD_outBuffer;
using ZstdParameter = ZSTD_dParameter;
using ZstdPackingContext = ZSTD_CCtx;
using ZstdPackingParameter = ZSTD_cParameter;
using ZstdOperation = ZSTD_EndDirective;
#else
struct ZStream {
  const std::uint8_t* next_in;
  unsigned avail_in;
  unsigned long total_in;
  std::uint8_t* next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char* msg;
  void* state;
  void* (*zalloc)(void*, unsigned, unsigned);
  void (*zfree)(void*, void*);
  void* opaque;
  int data_type;
  unsigned long adler;
  unsigned long reserved;
};
using ZstdContext = void;
struct ZstdInput {
  const void* src;
  std::size_t size;
  std::size_t pos;
};
struct ZstdOutput {
  void* dst;
  std::size_t size;
  std::size_t pos;
};
using ZstdParameter = int;
using ZstdPackingContext = void;
using ZstdPackingParameter = int;
using ZstdOperation = int;
#endif

struct Zlib {
  int (*init)(ZStream*, int windowBits, const char* version, int streamSize);  // inflateInit2_
  int (*inflate)(ZStream*, int flush);
  int (*reset)(ZStream*);  // inflateReset
  int (*end)(ZStream*);    // inflateEnd
};

struct Zstd {
  ZstdContext* (*create)();                                          // ZSTD_createDCtx
  std::size_t (*free)(ZstdContext*);                                 // ZSTD_freeDCtx
  std::size_t (*set)(ZstdContext*, ZstdParameter, int value);        // ZSTD_DCtx_setParameter
  std::size_t (*decompress)(ZstdContext*, ZstdOutput*, ZstdInput*);  // ZSTD_decompressStream
  unsigned (*isError)(std::size_t);
  const char* (*errorName)(std::size_t);
};

struct ZlibPacking {
  int (*init)(ZStream*, int level, int method, int windowBits, int memoryLevel, int strategy, const char* version,
              int streamSize);  // deflateInit2_
  int (*deflate)(ZStream*, int flush);
  int (*reset)(ZStream*);  // deflateReset
  int (*end)(ZStream*);    // deflateEnd
};

struct ZstdPacking {
  ZstdPackingContext* (*create)();                                                       // ZSTD_createCCtx
  std::size_t (*free)(ZstdPackingContext*);                                              // ZSTD_freeCCtx
  std::size_t (*set)(ZstdPackingContext*, ZstdPackingParameter, int value);              // ZSTD_CCtx_setParameter
  std::size_t (*compress)(ZstdPackingContext*, ZstdOutput*, ZstdInput*, ZstdOperation);  // ZSTD_compressStream2
  unsigned (*isError)(std::size_t);
  const char* (*errorName)(std::size_t);
};

// The files of the system's libraries.
#ifdef __APPLE__
inline constexpr const char* kZlibFile = "libz.1.dylib";
inline constexpr const char* kZstdFile = "libzstd.1.dylib";
#else
inline constexpr const char* kZlibFile = "libz.so.1";
inline constexpr const char* kZstdFile = "libzstd.so.1";
#endif

// nullptr if the library is not found. Any thread.
const Zlib* zlib();
const Zstd* zstd();
const ZlibPacking* zlibPacking();
const ZstdPacking* zstdPacking();

}  // namespace ringtap
