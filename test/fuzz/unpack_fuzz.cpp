// Unpacks gzip or zstd data of arbitrary content: the unpacker must terminate and keep its contract.
#include <algorithm>

#include "core/savefile/unpack.h"
#include "fuzz.h"

using namespace ringtap;

namespace {

class Memory final : public ByteSource {
 public:
  Memory(const std::uint8_t* data, std::size_t size, std::size_t piece) : rest_(data, size), piece_(piece) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    const std::size_t given = std::min({into.size(), rest_.size(), piece_});
    std::copy_n(rest_.begin(), given, into.begin());
    rest_ = rest_.subspan(given);
    return given;
  }

 private:
  std::span<const std::uint8_t> rest_;
  std::size_t piece_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Memory memory(data + 2, size - 2, data[0] + 1u);
  CountedSource packed(memory);
  auto packing = packingOf(packed);
  EXPECT(packing.ok());
  if (*packing == Packing::None) return 0;
  auto unpacked = unpack(packed, *packing);
  EXPECT(unpacked.ok());
  std::vector<std::uint8_t> into((data[1] + 1u) * 16);
  std::uint64_t total = 0;
  while (total < 16u << 20) {
    auto got = (*unpacked)->read(into);
    if (!got) {
      EXPECT(got.error().offset == static_cast<std::int64_t>(total));
      auto again = (*unpacked)->read(into);
      EXPECT(!again && again.error().offset == got.error().offset);
      break;
    }
    EXPECT(*got <= into.size());
    if (*got == 0) break;
    total += *got;
  }
  return 0;
}
