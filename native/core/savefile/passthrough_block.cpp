#include "core/savefile/passthrough_block.h"

#include <bit>
#include <cstring>
#include <utility>

#include "core/savefile/savefile_format.h"

namespace ringtap {

namespace {

using namespace savefile;

// Goes over a body and turns its numbers round, where they need it. Once something is wrong, all is.
class ByteSwapper {
 public:
  ByteSwapper(std::vector<std::uint8_t>& body, bool foreign) : body_(body), foreign_(foreign) {}

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool atEnd() const { return !good_ || at_ == body_.size(); }
  template <typename T>
  T number() {
    T value{};
    if (!has(sizeof value)) return value;
    std::uint8_t* at = body_.data() + at_;
    if (foreign_) {
      for (std::size_t i = 0; i < sizeof value / 2; ++i) std::swap(at[i], at[sizeof value - 1 - i]);
    }
    std::memcpy(&value, at, sizeof value);
    at_ += sizeof value;
    return value;
  }
  // Bytes, and the padding behind them.
  void pass(std::size_t bytes) {
    if (has(padded(bytes))) at_ += padded(bytes);
  }
  // What was come across can only be copied as it is.
  void onlyAsItIs() { good_ = good_ && !foreign_; }

  // Codes, lengths and values, up to the end of the list; visit(code, length) has to pass over the value.
  template <typename Visit>
  void list(Visit&& visit) {
    while (!atEnd()) {
      const auto code = number<std::uint16_t>();
      const auto length = number<std::uint16_t>();
      if (!good_ || code == kOptionEnd) return;
      visit(code, length);
    }
  }
  // `own`: codes up to this are of the block's own, and have no numbers in their values.
  void options(std::uint16_t own) {
    list([&](std::uint16_t code, std::uint16_t length) {
      const bool text = code == custom_option::kText || code == custom_option::kTextOnce;
      if (text && length >= sizeof(std::uint32_t)) {
        (void)number<std::uint32_t>();  // of the enterprise
        pass(length - sizeof(std::uint32_t));
        return;
      }
      if (code > own) onlyAsItIs();
      pass(length);
    });
    if (!atEnd()) good_ = false;
  }

 private:
  bool has(std::size_t bytes) {
    good_ = good_ && bytes <= body_.size() - at_;
    return good_;
  }

  std::vector<std::uint8_t>& body_;
  const bool foreign_;
  std::size_t at_ = 0;
  bool good_ = true;
};

void swapNames(ByteSwapper& swapper) {
  swapper.list([&](std::uint16_t code, std::uint16_t length) {
    // An address and texts: as on the wire.
    if (code > name_record::kEui64) swapper.onlyAsItIs();
    swapper.pass(length);
  });
  swapper.options(name_option::kServerIpv6);
}

void swapSecrets(ByteSwapper& swapper) {
  (void)swapper.number<std::uint32_t>();  // of what kind
  swapper.pass(swapper.number<std::uint32_t>());
  swapper.options(kOptionComment);
}

}  // namespace

std::optional<PassthroughBlock> passThrough(const FileBlock& block) {
  PassthroughBlock carried{block.type, block.body};
  ByteSwapper swapper(carried.body, block.bigEndian != (std::endian::native == std::endian::big));
  switch (block.type) {
    case kNameResolution: swapNames(swapper); break;
    case kDecryptionSecrets: swapSecrets(swapper); break;
    case kCustom:
      (void)swapper.number<std::uint32_t>();
      swapper.onlyAsItIs();
      break;
    default: return std::nullopt;
  }
  if (!swapper.good()) return std::nullopt;
  return carried;
}

}  // namespace ringtap
