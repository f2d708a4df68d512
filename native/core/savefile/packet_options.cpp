#include "core/savefile/packet_comments.h"

#include <cstdint>
#include <cstring>

namespace ringtap {

std::vector<std::string> commentsOf(const Record& record, const std::byte* end) {
  std::vector<std::string> comments;
  if ((record.header->tp_status & kStatusComments) == 0) return comments;
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
  std::uint32_t length = 0;
  if (!number(count)) return comments;
  for (; count > 0 && number(length) && length <= size - at; --count) {
    comments.emplace_back(reinterpret_cast<const char*>(start + at), length);
    at += length;
  }
  return comments;
}

}  // namespace ringtap
