#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/savefile/delta_coding.h"
#include "core/savefile/delta_layout.h"

namespace ringtap {

namespace delta {

namespace {

using savefile::EnhancedPacketBody;

Error damaged() { return {Code::FileDamaged, "the packets in memory are damaged"}; }

class Decoder {
 public:
  Decoder(std::span<const std::byte> encoded, std::span<std::byte> section) : encoded_(encoded), section_(section) {}

  Result<> decode() {
    if (encoded_.size() < sizeof counts_ || section_.size() >= kLongestSection) return damaged();
    std::memcpy(&counts_, encoded_.data(), sizeof counts_);
    if (counts_.size() != encoded_.size() || counts_.packets > counts_.blocks) return damaged();
    if (!previous_.allocate()) return noMemory();
    Parts<const std::byte> from(encoded_.data(), counts_);
    for (std::size_t i = 0; i < counts_.packets; ++i) {
      const auto length = static_cast<std::size_t>(from.headerLengths[i]);
      if (length > kMaxHeaders) return damaged();
      columns_.count(length);
    }
    columns_.begin();
    if (columns_.bytes() != counts_.headers) return damaged();
    for (std::uint32_t i = 0; i < counts_.blocks; ++i) {
      const auto marks = static_cast<std::uint8_t>(from.marks[i]);
      if (!(marks == 0 ? takeBlock(from) : takePacket(from, marks))) return damaged();
    }
    const std::size_t rest = section_.size() - offset_;
    if (rest != counts_.rest || apart_ != counts_.apart || payload_ != counts_.payload) return damaged();
    if (packet_ != counts_.packets || lengths_ != counts_.lengths) return damaged();
    if (rest > 0) std::memcpy(section_.data() + offset_, from.rest, rest);
    return {};
  }

 private:
  // Takes bytes that were stored as they are. Null: there are not so many.
  const std::byte* takeApart(const Parts<const std::byte>& from, std::size_t length) {
    if (length > counts_.apart - apart_) return nullptr;
    const std::byte* at = from.apart + apart_;
    apart_ += length;
    return at;
  }

  bool takeBlock(const Parts<const std::byte>& from) {
    const std::byte* head = takeApart(from, 8);
    if (head == nullptr) return false;
    const auto length = read<std::uint32_t>(head + 4);
    if (length < 8 || takeApart(from, length - 8) == nullptr || length > section_.size() - offset_) return false;
    std::memcpy(section_.data() + offset_, head, length);
    offset_ += length;
    return true;
  }

  bool takePacket(const Parts<const std::byte>& from, std::uint8_t marks) {
    if (packet_ == counts_.packets) return false;
    const std::uint32_t slot = from.slots.get(packet_, 2);
    const std::byte* before = previous_.find(section_, slot);
    if (before == nullptr && ((marks & mark::kLengths) == 0 || (marks & mark::kOrigin) == 0)) return false;
    const auto headers = static_cast<std::size_t>(from.headerLengths[packet_]);
    // The difference is one of 32 bits with a sign.
    time_ += static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(from.times.get(packet_, 4))});
    ++packet_;
    if ((marks & mark::kFarTime) != 0) {
      const std::byte* whole = takeApart(from, sizeof time_);
      if (whole == nullptr) return false;
      time_ = read<std::uint64_t>(whole);
    }
    EnhancedPacketBody body{};
    std::span<const std::byte> options;
    if (before != nullptr) {
      const Block other{before, read<std::uint32_t>(before + 4)};
      body = other.body();
      options = optionsOf(other, body.captured);
    }
    const std::size_t known = before == nullptr ? 0 : body.captured;
    if ((marks & mark::kLengths) != 0) {
      if (lengths_ == counts_.lengths) return false;
      body.captured = from.captured.get(lengths_, 4);
      body.original = from.original.get(lengths_++, 4);
    }
    if ((marks & mark::kOrigin) != 0) {
      const std::byte* origin = takeApart(from, 8);
      if (origin == nullptr) return false;
      body.interface = read<std::uint32_t>(origin);
      const auto length = read<std::uint32_t>(origin + 4);
      const std::byte* bytes = takeApart(from, length);
      if (bytes == nullptr) return false;
      options = {bytes, length};
    }
    body.timeHigh = static_cast<std::uint32_t>(time_ >> 32);
    body.timeLow = static_cast<std::uint32_t>(time_);
    if (body.captured < headers || body.captured - headers > counts_.payload - payload_) return false;
    const std::uint64_t whole = std::uint64_t{optionsAt(body.captured)} + options.size() + 4;
    if (whole > section_.size() - offset_) return false;
    putPacket(from, body, options, headers, before == nullptr ? nullptr : before + kPacketData, known);
    previous_.add(slot, offset_);
    offset_ += whole;
    return true;
  }

  void putPacket(const Parts<const std::byte>& from, const EnhancedPacketBody& body, std::span<const std::byte> options,
                 std::size_t headers, const std::byte* other, std::size_t known) {
    std::byte* at = section_.data() + offset_;
    const std::size_t behind = optionsAt(body.captured);
    const auto length = static_cast<std::uint32_t>(behind + options.size() + 4);
    const std::uint32_t head[] = {savefile::kEnhancedPacket, length};
    std::memcpy(at, head, sizeof head);
    std::memcpy(at + sizeof head, &body, sizeof body);
    std::byte* data = at + kPacketData;
    const std::size_t compared = std::min(headers, known);
    for (std::size_t i = 0; i < compared; ++i) {
      data[i] = static_cast<std::byte>(static_cast<unsigned>(from.headers[columns_.next(i)]) +
                                       static_cast<unsigned>(other[i]));
    }
    for (std::size_t i = compared; i < headers; ++i) data[i] = from.headers[columns_.next(i)];
    const std::size_t payload = body.captured - headers;
    if (payload > 0) std::memcpy(data + headers, from.payload + payload_, payload);
    payload_ += payload;
    std::fill(data + body.captured, at + behind, std::byte{0});
    if (!options.empty()) std::memcpy(at + behind, options.data(), options.size());
    std::memcpy(at + behind + options.size(), &length, sizeof length);
  }

  const std::span<const std::byte> encoded_;
  const std::span<std::byte> section_;
  Counts counts_;
  HeaderColumns columns_;
  Previous previous_;
  std::uint64_t time_ = 0;
  std::size_t offset_ = 0;  // in the section
  std::size_t packet_ = 0, lengths_ = 0, apart_ = 0, payload_ = 0;
};

}  // namespace

}  // namespace delta

Result<> deltaDecode(std::span<const std::byte> encoded, std::span<std::byte> section) {
  return delta::Decoder(encoded, section).decode();
}

}  // namespace ringtap
