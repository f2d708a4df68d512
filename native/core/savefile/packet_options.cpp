#include "core/savefile/packet_options.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/savefile/option_walk.h"
#include "core/savefile/savefile_blocks.h"
#include "core/savefile/savefile_format.h"

namespace ringtap {

namespace {

using namespace savefile;

constexpr std::size_t kMaxValue = 0xffff;

// How the value of an option is made up of numbers, each of which has a byte order.
struct Layout {
  std::size_t ahead = 0;   // bytes before the numbers
  std::size_t number = 0;  // bytes of each
  std::size_t count = 0;   // of the numbers; what follows them are bytes
  bool exact = false;      // nothing may follow

  [[nodiscard]] std::size_t end() const { return ahead + number * count; }
};

// Returns false if the value is not understood.
bool layoutOf(std::uint16_t code, std::span<const std::uint8_t> value, Layout& layout) {
  switch (code) {
    case kOptionComment: return true;
    case packet_option::kHash: return !value.empty();  // begins with the algorithm
    case packet_option::kDropped:
    case packet_option::kPacketId: layout = {0, 8, 1, true}; break;
    case packet_option::kQueue: layout = {0, 4, 1, true}; break;
    case packet_option::kProcessThread: layout = {0, 4, 2, true}; break;
    case packet_option::kVerdict:
      if (value.empty() || value.front() > packet_option::kVerdictXdp) return false;
      // The verdicts of eBPF programs are numbers, those of hardware are bytes.
      if (value.front() != packet_option::kVerdictHardware) layout = {1, 8, 1, true};
      break;
    case custom_option::kText:
    case custom_option::kBytes: layout = {0, 4, 1, false}; break;  // the enterprise number
    default: return false;
  }
  return layout.exact ? value.size() == layout.end() : value.size() >= layout.end();
}

}  // namespace

void StoredOptions::add(std::uint16_t code, std::span<const std::uint8_t> value, bool swapped) {
  if (code == kOptionComment) value = untilZero(value);
  Layout layout;
  if (!layoutOf(code, value, layout)) return;
  const std::size_t before = bytes_.size();
  put(code, value);
  if (!swapped) return;
  const std::size_t start = (before == 0 ? sizeof(std::uint32_t) : before) + sizeof(std::uint32_t) + layout.ahead;
  for (std::size_t i = 0; i < layout.count; ++i) {
    const auto at = bytes_.begin() + static_cast<std::ptrdiff_t>(start + i * layout.number);
    std::reverse(at, at + static_cast<std::ptrdiff_t>(layout.number));
  }
}

void StoredOptions::keepComments() {
  const std::vector<std::uint8_t> all = std::exchange(bytes_, {});
  for (std::size_t at = sizeof(std::uint32_t); at < all.size();) {
    std::uint32_t head;
    std::memcpy(&head, all.data() + at, sizeof head);
    at += sizeof head;
    const std::size_t length = head & kMaxValue;
    if (head >> 16 == kOptionComment) put(kOptionComment, std::span(all).subspan(at, length));
    at = padded(at + length);
  }
}

void StoredOptions::put(std::uint16_t code, std::span<const std::uint8_t> value) {
  std::uint32_t count = 0;
  if (bytes_.empty()) bytes_.assign(sizeof count, 0);
  std::memcpy(&count, bytes_.data(), sizeof count);
  ++count;
  std::memcpy(bytes_.data(), &count, sizeof count);
  const std::uint32_t head = std::uint32_t{code} << 16 | static_cast<std::uint32_t>(value.size());
  const auto* prefix = reinterpret_cast<const std::uint8_t*>(&head);
  bytes_.insert(bytes_.end(), prefix, prefix + sizeof head);
  bytes_.insert(bytes_.end(), value.begin(), value.end());
  bytes_.resize(padded(bytes_.size()));
}

void appendOptions(const Record& record, const std::byte* end, ByteSink& sink) {
  if ((record.header->tp_status & kStatusOptions) == 0) return;
  const auto* start = reinterpret_cast<const std::byte*>(record.header) - record.offset;
  const auto size = static_cast<std::size_t>(end - start);
  std::size_t at = record.offset + std::size_t{record.header->tp_mac} + record.header->tp_snaplen;
  const auto number = [&](std::uint32_t& value) {
    at = (at + 3) / 4 * 4;
    if (at > size || size - at < sizeof value) return false;
    std::memcpy(&value, start + at, sizeof value);
    at += sizeof value;
    return true;
  };
  std::uint32_t count = 0;
  std::uint32_t head = 0;
  if (!number(count)) return;
  for (; count > 0 && number(head) && (head & kMaxValue) <= size - at; --count) {
    const std::size_t length = head & kMaxValue;
    writeOption(sink, static_cast<std::uint16_t>(head >> 16), start + at, length);
    at += length;
  }
}

}  // namespace ringtap
