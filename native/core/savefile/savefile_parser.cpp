#include "core/savefile/savefile_parser.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "core/filter/filter_interpreter.h"
#include "core/savefile/pcap_parser.h"
#include "core/savefile/pcapng_parser.h"
#include "core/savefile/pseudo_header.h"
#include "core/savefile/savefile_format.h"
#include "core/util/link_type.h"

namespace ringtap {

bool SavefileParser::passes(const Interface& interface, const FilledPacket& packet) {
  PacketMetadata metadata;
  metadata.packetType = packet.packetType;
  metadata.hardwareType = interface.hardwareType;
  return runFilter(*interface.rule.filter, packet.data, packet.original, metadata) != 0;
}

void SavefileParser::convertHeader(const Interface& interface, FilledPacket& packet) {
  converted_.assign(packet.data.begin(), packet.data.end());
  swapPseudoHeader(interface.swappedHeader, converted_, packet.original);
  packet.data = converted_;
}

void SavefileParser::countClamped() {
  if (stats_.clampedTimes++ > 0) return;
  listener_.warning("the time of packet " + std::to_string(stats_.packets) + ", at byte " + std::to_string(offset_) +
                    ", is before 1970 or after July 2554: such times are replaced by the nearest that can be told, and "
                    "counted");
}

Error SavefileParser::damage(std::string what, std::uint64_t offset, Code code) {
  what += ", at byte " + std::to_string(offset);
  Error error{code, std::move(what)};
  error.offset = static_cast<std::int64_t>(offset);
  return error;
}

Result<std::unique_ptr<SavefileParser>> parserFor(std::span<const std::uint8_t> bytes, const ParserLimits& limits,
                                                  SavefileListener& listener) {
  constexpr std::uint32_t kMagics[] = {savefile::kSectionHeader,
                                       savefile::kMagicMicroseconds,
                                       savefile::kMagicNanoseconds,
                                       savefile::kMagicKuznetsov,
                                       __builtin_bswap32(savefile::kMagicMicroseconds),
                                       __builtin_bswap32(savefile::kMagicNanoseconds),
                                       __builtin_bswap32(savefile::kMagicKuznetsov)};
  std::uint32_t magic = 0;
  if (bytes.size() < sizeof magic) {
    // Too short to decide: the start of a magic number is treated as a truncated savefile.
    const bool begins = bytes.empty() || std::any_of(std::begin(kMagics), std::end(kMagics), [&](std::uint32_t known) {
                          return std::memcmp(&known, bytes.data(), bytes.size()) == 0;
                        });
    if (begins) {
      Error error{Code::FileTruncated, bytes.empty() ? "the file is empty" : "the file ends within its magic number"};
      error.offset = 0;
      return error;
    }
  } else {
    std::memcpy(&magic, bytes.data(), sizeof magic);
  }
  if (magic == savefile::kSectionHeader) {
    return std::unique_ptr<SavefileParser>(std::make_unique<PcapngParser>(limits, listener));
  }
  if (std::find(std::begin(kMagics), std::end(kMagics), magic) != std::end(kMagics)) {
    return std::unique_ptr<SavefileParser>(std::make_unique<PcapParser>(limits, listener));
  }
  char begin[64] = "nothing";
  for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 8); ++i) {
    std::snprintf(begin + i * 3, sizeof begin - i * 3, "%02x ", bytes[i]);
  }
  std::string shown = begin;
  if (shown.back() == ' ') shown.pop_back();
  Error error{Code::FileFormat, "not a pcap or pcapng file, as it begins with " + shown};
  error.offset = 0;
  return error;
}

std::uint16_t hardwareTypeOf(std::uint16_t linkType) {
  for (const std::uint16_t type : knownHardwareTypes()) {
    if (linkTypeOf(type) == linkType) return type;
  }
  return hardware_type::kVoid;
}

}  // namespace ringtap
