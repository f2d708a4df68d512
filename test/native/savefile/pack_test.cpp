// What pack.h compresses, unpack.h restores.
#include "core/savefile/pack.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/savefile/unpack.h"
#include "support/check.h"

using namespace ringtap;

namespace {

// Half of it repeats, half of it is noise, as packets are.
std::vector<std::byte> content(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < size; ++i) {
    state = state * 1'664'525 + 1'013'904'223;
    bytes[i] = static_cast<std::byte>(i % 64 < 32 ? i : state >> 24);
  }
  return bytes;
}

// Returns bytes that were packed.
class Packed final : public ByteSource {
 public:
  explicit Packed(const ByteSink& sink) : rest_(sink.bytes()) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    const std::size_t length = std::min(into.size(), rest_.size());
    if (length > 0) std::memcpy(into.data(), rest_.data(), length);
    rest_ = rest_.subspan(length);
    return length;
  }
  bool ready(int) override { return true; }

 private:
  std::span<const std::byte> rest_;
};

std::vector<std::byte> unpacked(const ByteSink& sink, Packing packing) {
  Packed packed(sink);
  CountedSource source(packed);
  auto found = packingOf(source);
  CHECK(found.ok() && *found == packing);
  auto reader = unpack(source, packing);
  CHECK(reader.ok());
  std::vector<std::byte> bytes;
  std::vector<std::uint8_t> piece(100'000);
  for (;;) {
    auto length = (*reader)->read(piece);
    CHECK(length.ok());
    if (!length || *length == 0) return bytes;
    const auto* start = reinterpret_cast<const std::byte*>(piece.data());
    bytes.insert(bytes.end(), start, start + *length);
  }
}

}  // namespace

TEST(whatIsPackedInPiecesIsUnpacked) {
  for (const Packing packing : {Packing::Gzip, Packing::Zstd}) {
    auto packer = makePacker(packing);
    CHECK(packer.ok());
    ByteSink out;
    std::vector<std::byte> all;
    // Pieces below and above what the libraries take at once; each size is a member or frame of its own.
    for (const std::size_t size : {1ul, 1000ul, 65'536ul, 3'000'000ul}) {
      const auto bytes = content(size);
      const std::span<const std::byte> span(bytes);
      CHECK((*packer)->add(span.first(size / 3), out).ok());
      CHECK((*packer)->add(span.subspan(size / 3), out).ok());
      CHECK((*packer)->end(out).ok());
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    CHECK(out.size() < all.size() * 2 / 3);
    CHECK(unpacked(out, packing) == all);
  }
}

TEST(contentIsReplacedByItsCompressedForm) {
  const auto bytes = content(500'000);
  for (const Packing packing : {Packing::None, Packing::Gzip, Packing::Zstd}) {
    ByteSink sink;
    std::memcpy(sink.grow(bytes.size()), bytes.data(), bytes.size());
    CHECK(pack(sink, packing).ok());
    if (packing == Packing::None) CHECK(std::ranges::equal(sink.bytes(), bytes));
    else CHECK(unpacked(sink, packing) == bytes);
  }
}
