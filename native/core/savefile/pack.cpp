#include "core/savefile/pack.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/savefile/codecs.h"

namespace ringtap {

namespace {

constexpr std::size_t kOutputAtOnce = 64 * 1024;
constexpr int kGzipLevel = 1;
// zstd(1) has it as --fast=1. Packets become 2 % larger than at level 1, those that are much alike up to 9 %, in two
// thirds of the time (bench/README.md).
constexpr int kZstdLevel = -1;

Error noMemory() { return {Code::System, "no memory to compress", ENOMEM, "malloc"}; }

constexpr int kZOk = 0;
constexpr int kZStreamEnd = 1;
constexpr int kZBufferError = -5;  // nothing to do: not an error
constexpr int kZNoFlush = 0;
constexpr int kZFinish = 4;
constexpr int kDeflated = 8;
constexpr int kGzipOnly = 15 + 16;
constexpr int kMemoryLevel = 8;  // zlib's default
constexpr int kDefaultStrategy = 0;

class GzipPacker final : public Packer {
 public:
  explicit GzipPacker(const ZlibPacking& zlib) : zlib_(zlib) {}
  ~GzipPacker() override {
    if (begun_) zlib_.end(&stream_);
  }
  // zlib checks the version's first digit, and the size of z_stream.
  bool begin() {
    return begun_ = zlib_.init(&stream_, kGzipLevel, kDeflated, kGzipOnly, kMemoryLevel, kDefaultStrategy, "1.2.11",
                               static_cast<int>(sizeof stream_)) == kZOk;
  }

 private:
  Result<> step(std::span<const std::byte> bytes, bool last, ByteSink& out) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(bytes.data());
    std::size_t left = bytes.size();
    for (;;) {
      const auto given = static_cast<unsigned>(std::min<std::size_t>(left, 1u << 30));
      stream_.avail_in = given;
      if (!out.reserve(kOutputAtOnce)) return noMemory();
      const std::size_t before = out.size();
      stream_.next_out = reinterpret_cast<std::uint8_t*>(out.grow(kOutputAtOnce));
      stream_.avail_out = kOutputAtOnce;
      const int result = zlib_.deflate(&stream_, last ? kZFinish : kZNoFlush);
      out.shorten(before + kOutputAtOnce - stream_.avail_out);
      left -= given - stream_.avail_in;
      if (result == kZStreamEnd) {
        zlib_.reset(&stream_);
        return {};
      }
      if (result != kZOk && result != kZBufferError) return Error{Code::System, "zlib cannot compress"};
      if (!last && left == 0 && stream_.avail_out > 0) return {};
    }
  }

  const ZlibPacking& zlib_;
  ZStream stream_{};
  bool begun_ = false;
};

constexpr int kZstdCompressionLevel = 100;  // ZSTD_c_compressionLevel
constexpr int kZstdChecksumFlag = 201;      // ZSTD_c_checksumFlag
constexpr int kZstdContinue = 0;            // ZSTD_e_continue
constexpr int kZstdEnd = 2;                 // ZSTD_e_end

class ZstdPacker final : public Packer {
 public:
  explicit ZstdPacker(const ZstdPacking& zstd) : zstd_(zstd), context_(zstd.create()) {}
  ~ZstdPacker() override { zstd_.free(context_); }
  // With a checksum, as zstd(1) does.
  bool begin() { return context_ != nullptr && set(kZstdCompressionLevel, kZstdLevel) && set(kZstdChecksumFlag, 1); }

 private:
  bool set(int parameter, int value) {
    return zstd_.isError(zstd_.set(context_, static_cast<ZstdPackingParameter>(parameter), value)) == 0;
  }

  Result<> step(std::span<const std::byte> bytes, bool last, ByteSink& out) override {
    ZstdInput in{bytes.data(), bytes.size(), 0};
    for (;;) {
      if (!out.reserve(kOutputAtOnce)) return noMemory();
      const std::size_t before = out.size();
      ZstdOutput to{out.grow(kOutputAtOnce), kOutputAtOnce, 0};
      const auto operation = static_cast<ZstdOperation>(last ? kZstdEnd : kZstdContinue);
      const std::size_t result = zstd_.compress(context_, &to, &in, operation);
      out.shorten(before + to.pos);
      if (zstd_.isError(result) != 0) {
        return Error{Code::System, std::string("zstd cannot compress: ") + zstd_.errorName(result)};
      }
      if (last ? result == 0 : in.pos == in.size) return {};
    }
  }

  const ZstdPacking& zstd_;
  ZstdPackingContext* context_;
};

template <typename Kind, typename Library>
Result<std::unique_ptr<Packer>> begin(const Library* library, const char* format, const char* name) {
  if (library == nullptr) {
    return Error{.code = Code::Option,
                 .message = std::string("compress is '") + format + "', but the library " + name + " was not found",
                 .option = "compress"};
  }
  auto packer = std::make_unique<Kind>(*library);
  if (!packer->begin()) return noMemory();
  return std::unique_ptr<Packer>(std::move(packer));
}

}  // namespace

Result<std::unique_ptr<Packer>> makePacker(Packing packing) {
  switch (packing) {
    case Packing::Gzip: return begin<GzipPacker>(zlibPacking(), "gzip", kZlibFile);
    case Packing::Zstd: return begin<ZstdPacker>(zstdPacking(), "zstd", kZstdFile);
    case Packing::None: break;
  }
  return std::unique_ptr<Packer>();
}

Result<> pack(ByteSink& content, Packing packing) {
  auto packer = makePacker(packing);
  if (!packer) return std::move(packer.error());
  if (!*packer) return {};
  ByteSink packed;
  if (auto added = (*packer)->add(content.bytes(), packed); !added) return added;
  if (auto ended = (*packer)->end(packed); !ended) return ended;
  content = std::move(packed);
  return {};
}

}  // namespace ringtap
