#include "core/savefile/unpack.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "core/savefile/codecs.h"

namespace ringtap {

namespace {

constexpr std::size_t kPackedAtOnce = 64 * 1024;
constexpr std::uint8_t kGzipMagic[] = {0x1f, 0x8b};
constexpr std::uint8_t kZstdMagic[] = {0x28, 0xb5, 0x2f, 0xfd};
constexpr std::uint8_t kZstdSkippableMagic[] = {0x2a, 0x4d, 0x18};  // after 0x50 to 0x5f

class Unpacker : public ByteSource {
 public:
  explicit Unpacker(CountedSource& source) : source_(source), input_(kPackedAtOnce) {}

  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    if (into.empty()) return std::size_t{0};
    while (!failure_) {
      if (at_ == end_ && !ended_) {
        auto got = source_.read(input_);
        if (!got) {
          failure_ = std::move(got.error());
          break;
        }
        at_ = 0;
        end_ = *got;
        ended_ = *got == 0;
      }
      if (ended_ && !pending_) {
        if (between_) return std::size_t{0};
        fail(Code::FileTruncated, "the compressed data end in the middle");
        break;
      }
      const std::size_t made = step(into);
      total_ += made;
      if (made > 0) return made;
    }
    if (failure_->code != Code::System) failure_->offset = static_cast<std::int64_t>(total_);
    return *failure_;
  }

  bool ready(int milliseconds) override { return at_ < end_ || pending_ || failure_ || source_.ready(milliseconds); }

 protected:
  // Unpacks part of input() into `into`, calls took(), and returns the number of bytes produced. May call fail() after
  // that.
  virtual std::size_t step(std::span<std::uint8_t> into) = 0;

  [[nodiscard]] std::span<const std::uint8_t> input() const { return {input_.data() + at_, end_ - at_}; }
  // `pending`: more output is possible without further input.
  void took(std::size_t bytes, bool pending) {
    at_ += bytes;
    pending_ = pending;
  }
  // `so`: the data may end here.
  void between(bool so) { between_ = so; }
  void fail(Code code, std::string message) { failure_ = Error{code, std::move(message)}; }

 private:
  CountedSource& source_;
  std::vector<std::uint8_t> input_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  bool ended_ = false;
  bool pending_ = false;
  bool between_ = false;
  std::uint64_t total_ = 0;
  std::optional<Error> failure_;
};

constexpr int kZOk = 0;
constexpr int kZStreamEnd = 1;
constexpr int kZBufferError = -5;  // no progress was possible: not an error
constexpr int kGzipOnly = 15 + 16;

class GzipUnpacker final : public Unpacker {
 public:
  GzipUnpacker(CountedSource& source, const Zlib& zlib) : Unpacker(source), zlib_(zlib) {}
  ~GzipUnpacker() override {
    if (begun_) zlib_.end(&stream_);
  }
  // zlib checks the version's first digit, and the size of z_stream.
  bool begin() { return begun_ = zlib_.init(&stream_, kGzipOnly, "1.2.11", static_cast<int>(sizeof stream_)) == kZOk; }

 private:
  std::size_t step(std::span<std::uint8_t> into) override {
    if (finished_ && !nextMember()) return 0;
    stream_.next_in = input().data();
    stream_.avail_in = static_cast<unsigned>(input().size());
    stream_.next_out = into.data();
    stream_.avail_out = static_cast<unsigned>(std::min<std::size_t>(into.size(), 1u << 30));
    const unsigned in = stream_.avail_in;
    const unsigned out = stream_.avail_out;
    const int result = zlib_.inflate(&stream_, 0);
    const std::size_t made = out - stream_.avail_out;
    finished_ = result == kZStreamEnd;
    between(finished_);
    took(in - stream_.avail_in, !finished_ && stream_.avail_out == 0);
    if (result != kZOk && result != kZStreamEnd && result != kZBufferError) {
      fail(Code::FileDamaged, std::string("the gzip data are damaged: ") +
                                  (stream_.msg != nullptr ? stream_.msg : "zlib gives no reason"));
    }
    return made;
  }

  // After a member: another one, or zeros up to the end (tapes and block devices).
  bool nextMember() {
    const auto rest = input();
    const auto at = std::find_if(rest.begin(), rest.end(), [](std::uint8_t byte) { return byte != 0; });
    if (at == rest.end()) {
      took(rest.size(), false);
      padded_ = padded_ || !rest.empty();
      return false;
    }
    if (padded_ || at != rest.begin() || *at != kGzipMagic[0]) {
      fail(Code::FileDamaged, "the gzip data are followed by something else");
      return false;
    }
    zlib_.reset(&stream_);
    finished_ = false;
    return true;
  }

  const Zlib& zlib_;
  ZStream stream_{};
  bool begun_ = false;
  bool finished_ = false;
  bool padded_ = false;
};

constexpr int kZstdWindowLogMax = 100;  // ZSTD_d_windowLogMax

class ZstdUnpacker final : public Unpacker {
 public:
  ZstdUnpacker(CountedSource& source, const Zstd& zstd) : Unpacker(source), zstd_(zstd), context_(zstd.create()) {}
  ~ZstdUnpacker() override { zstd_.free(context_); }
  bool begin() {
    return context_ != nullptr && !zstd_.isError(zstd_.set(context_, static_cast<ZstdParameter>(kZstdWindowLogMax),
                                                           static_cast<int>(kLargestWindowLog)));
  }

 private:
  std::size_t step(std::span<std::uint8_t> into) override {
    ZstdInput in{input().data(), input().size(), 0};
    ZstdOutput out{into.data(), into.size(), 0};
    const std::size_t result = zstd_.decompress(context_, &out, &in);
    if (zstd_.isError(result)) {
      const std::string why = zstd_.errorName(result);
      const bool window = why.find("too much memory") != std::string::npos;
      took(in.pos, false);
      fail(window ? Code::FileFormat : Code::FileDamaged,
           window ? "the zstd data need a window of more than 8 MiB (zstd --long or --ultra): unpack them first"
                  : "the zstd data are damaged: " + why);
      return out.pos;
    }
    // 0: a frame has ended and its output is complete. Before a frame's first byte the result is not 0, hence the
    // condition.
    if (in.pos > 0 || out.pos > 0) between(result == 0);
    took(in.pos, result != 0 && out.pos == out.size);
    return out.pos;
  }

  const Zstd& zstd_;
  ZstdContext* context_;
};

bool startsWith(std::span<const std::uint8_t> bytes, std::span<const std::uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

template <typename Kind, typename Library>
Result<std::unique_ptr<ByteSource>> begin(CountedSource& source, const Library* library, const char* format,
                                          const char* name) {
  if (library == nullptr) {
    Error error{Code::FileFormat,
                std::string("the file is compressed with ") + format + ", but the library " + name + " was not found"};
    error.offset = 0;
    return error;
  }
  auto unpacker = std::make_unique<Kind>(source, *library);
  if (!unpacker->begin()) return Error{Code::System, std::string(name) + " cannot be used", ENOMEM};
  return std::unique_ptr<ByteSource>(std::move(unpacker));
}

}  // namespace

Result<Packing> packingOf(CountedSource& source) {
  auto start = source.peek(sizeof kZstdMagic);
  if (!start) return start.error();
  if (startsWith(*start, kGzipMagic)) return Packing::Gzip;
  if (startsWith(*start, kZstdMagic)) return Packing::Zstd;
  if (start->size() >= 4 && ((*start)[0] & 0xf0) == 0x50 && startsWith(start->subspan(1), kZstdSkippableMagic)) {
    return Packing::Zstd;
  }
  return Packing::None;
}

Result<std::unique_ptr<ByteSource>> unpack(CountedSource& source, Packing packing) {
  if (packing == Packing::Zstd) {
    return begin<ZstdUnpacker>(source, zstd(), "zstd", kZstdFile);
  }
  return begin<GzipUnpacker>(source, zlib(), "gzip", kZlibFile);
}

Result<> unpack(std::span<const std::byte> packed, Packing packing, std::span<std::byte> into) {
  MemorySource memory(packed);
  CountedSource source(memory);
  auto unpacked = unpack(source, packing);
  if (!unpacked) return std::move(unpacked.error());
  const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(into.data()), into.size());
  for (std::size_t done = 0; done < bytes.size();) {
    auto length = (*unpacked)->read(bytes.subspan(done));
    if (!length) return length.error();
    if (*length == 0) return Error{Code::FileTruncated, "packed bytes end too early"};
    done += *length;
  }
  return {};
}

}  // namespace ringtap
