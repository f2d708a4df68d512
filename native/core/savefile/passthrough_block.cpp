#include "core/savefile/passthrough_block.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/savefile/option_walk.h"
#include "core/savefile/savefile_format.h"

namespace ringtap {

namespace {

using namespace savefile;

// Converts a body in place to this machine's byte order, from start to end. After an error good() stays false.
class ByteSwapper {
 public:
  // `foreign`: the body is in the other byte order.
  ByteSwapper(std::vector<std::uint8_t>& body, bool foreign) : body_(body), foreign_(foreign) {}

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool atEnd() const { return !good_ || at_ == body_.size(); }
  std::uint32_t number() {
    std::uint32_t value = 0;
    if (!has(sizeof value)) return value;
    swap(at_, sizeof value);
    std::memcpy(&value, body_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  // Skips bytes and the padding after them.
  void pass(std::size_t bytes) {
    if (has(padded(bytes))) at_ += padded(bytes);
  }
  // The current part has an unknown layout: it can be copied but not converted.
  void copyOnly() { good_ = good_ && !foreign_; }

  // Converts the codes and lengths up to the end of the list; visit(code, at, length) converts the value.
  template <typename Visit>
  void list(Visit&& visit) {
    if (!good_) return;
    const OptionWalk walk =
        walkOptions(body_, at_, foreign_, [&](std::uint16_t code, std::size_t at, std::uint16_t length) {
          // walkOptions() has already read both.
          swap(at - 4, 2);
          swap(at - 2, 2);
          visit(code, at, length);
        });
    if (walk.ended) swap(walk.at - 2, 2);
    good_ = good_ && walk.good;
    at_ = walk.at;
  }
  // `own`: the highest code that this block type defines; values of codes up to it contain no numbers.
  void options(std::uint16_t own) {
    list([&](std::uint16_t code, std::size_t at, std::uint16_t length) {
      const bool text = code == custom_option::kText || code == custom_option::kTextOnce;
      if (text && length >= sizeof(std::uint32_t)) swap(at, sizeof(std::uint32_t));  // the enterprise number
      else if (code > own) copyOnly();
    });
    if (!atEnd()) good_ = false;
  }

 private:
  void swap(std::size_t at, std::size_t size) {
    if (foreign_)
      std::reverse(body_.begin() + static_cast<std::ptrdiff_t>(at),
                   body_.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
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
  swapper.list([&](std::uint16_t code, std::size_t, std::uint16_t) {
    // Known records contain an address and texts, which have no byte order.
    if (code > name_record::kEui64) swapper.copyOnly();
  });
  swapper.options(name_option::kServerIpv6);
}

void swapSecrets(ByteSwapper& swapper) {
  (void)swapper.number();  // the secrets type
  swapper.pass(swapper.number());
  swapper.options(kOptionComment);
}

}  // namespace

std::optional<PassthroughBlock> passThrough(const FileBlock& block) {
  PassthroughBlock converted{block.type, block.body};
  ByteSwapper swapper(converted.body, block.bigEndian != (std::endian::native == std::endian::big));
  switch (block.type) {
    case kNameResolution: swapNames(swapper); break;
    case kDecryptionSecrets: swapSecrets(swapper); break;
    case kCustom:
      (void)swapper.number();  // the enterprise number
      swapper.copyOnly();
      break;
    default: return std::nullopt;
  }
  if (!swapper.good()) return std::nullopt;
  return converted;
}

}  // namespace ringtap
