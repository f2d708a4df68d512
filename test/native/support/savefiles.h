// Hand-made savefiles, valid and malformed, in either byte order.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/savefile/savefile_format.h"

namespace support::files {

using FileBytes = std::vector<std::uint8_t>;

// Appends numbers in one byte order.
class FileWriter {
 public:
  explicit FileWriter(bool bigEndian = false) : big_(bigEndian) {}

  FileWriter& u8(std::uint8_t value) {
    bytes.push_back(value);
    return *this;
  }
  FileWriter& u16(std::uint16_t value) { return number(value, 2); }
  FileWriter& u32(std::uint32_t value) { return number(value, 4); }
  FileWriter& u64(std::uint64_t value) { return number(value, 8); }
  FileWriter& raw(const FileBytes& more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
    return *this;
  }
  FileWriter& pad() {
    while (bytes.size() % 4 != 0) bytes.push_back(0);
    return *this;
  }

  FileBytes bytes;

 private:
  FileWriter& number(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> 8 * (big_ ? size - 1 - i : i)));
    return *this;
  }

  bool big_;
};

inline FileBytes& operator+=(FileBytes& left, const FileBytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline FileBytes operator+(FileBytes left, const FileBytes& right) { return std::move(left += right); }

struct PcapKind {
  std::uint32_t magic = ringtap::savefile::kMagicMicroseconds;
  bool bigEndian = false;
  std::uint16_t major = 2;
  std::uint16_t minor = 4;
  std::uint32_t snapshotLength = 262144;
  std::uint32_t network = 1;
};

inline FileBytes pcapHeader(const PcapKind& kind) {
  FileWriter file(kind.bigEndian);
  file.u32(kind.magic).u16(kind.major).u16(kind.minor).u32(0).u32(0).u32(kind.snapshotLength).u32(kind.network);
  return file.bytes;
}

inline FileBytes pcapRecord(const PcapKind& kind, std::uint32_t seconds, std::uint32_t fraction, const FileBytes& data,
                            std::uint32_t original) {
  FileWriter record(kind.bigEndian);
  record.u32(seconds).u32(fraction).u32(static_cast<std::uint32_t>(data.size())).u32(original);
  if (kind.magic == ringtap::savefile::kMagicKuznetsov) record.u32(7).u16(0x0800).u8(4).u8(0);
  return record.raw(data).bytes;
}

// A pcapng block around a body, padded to 32 bits.
inline FileBytes ngBlock(bool big, std::uint32_t type, FileBytes body) {
  while (body.size() % 4 != 0) body.push_back(0);
  const auto length = static_cast<std::uint32_t>(body.size() + 12);
  return FileWriter(big).u32(type).u32(length).raw(body).u32(length).bytes;
}

using NgOptions = std::vector<std::pair<std::uint16_t, FileBytes>>;

inline FileBytes ngOptions(bool big, const NgOptions& options) {
  FileWriter list(big);
  for (const auto& [code, value] : options) {
    list.u16(code).u16(static_cast<std::uint16_t>(value.size())).raw(value).pad();
  }
  if (!options.empty()) list.u16(0).u16(0);
  return list.bytes;
}

inline FileBytes text(const std::string& value) { return {value.begin(), value.end()}; }

inline FileBytes ngSection(bool big, const NgOptions& options = {}, std::uint16_t major = 1) {
  return ngBlock(big, ringtap::savefile::kSectionHeader,
                 FileWriter(big).u32(0x1a2b3c4d).u16(major).u16(0).u64(~0ull).raw(ngOptions(big, options)).bytes);
}

inline FileBytes ngInterface(bool big, std::uint16_t linkType, std::uint32_t snapshotLength,
                             const NgOptions& options = {}) {
  return ngBlock(big, ringtap::savefile::kInterfaceDescription,
                 FileWriter(big).u16(linkType).u16(0).u32(snapshotLength).raw(ngOptions(big, options)).bytes);
}

inline FileBytes ngPacket(bool big, std::uint32_t interface, std::uint64_t time, const FileBytes& data,
                          std::uint32_t original, const NgOptions& options = {}) {
  FileWriter body(big);
  body.u32(interface).u32(static_cast<std::uint32_t>(time >> 32)).u32(static_cast<std::uint32_t>(time));
  body.u32(static_cast<std::uint32_t>(data.size())).u32(original).raw(data).pad().raw(ngOptions(big, options));
  return ngBlock(big, ringtap::savefile::kEnhancedPacket, body.bytes);
}

inline FileBytes ngObsoletePacket(bool big, std::uint16_t interface, std::uint64_t time, const FileBytes& data,
                                  std::uint32_t original) {
  FileWriter body(big);
  body.u16(interface).u16(3).u32(static_cast<std::uint32_t>(time >> 32)).u32(static_cast<std::uint32_t>(time));
  body.u32(static_cast<std::uint32_t>(data.size())).u32(original).raw(data);
  return ngBlock(big, ringtap::savefile::kObsoletePacket, body.bytes);
}

inline FileBytes ngSimplePacket(bool big, const FileBytes& data, std::uint32_t original) {
  return ngBlock(big, ringtap::savefile::kSimplePacket, FileWriter(big).u32(original).raw(data).bytes);
}

// Bytes whose values follow from their position.
inline FileBytes frame(std::size_t length, std::uint8_t first = 0) {
  FileBytes bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

// A pcap file with a variety of packets.
inline FileBytes somePcap(const PcapKind& kind, std::uint32_t packets) {
  FileBytes file = pcapHeader(kind);
  for (std::uint32_t i = 0; i < packets; ++i) {
    file = file +
           pcapRecord(kind, 1'700'000'000 + i, i, frame(i * 7 % 90, static_cast<std::uint8_t>(i)), i * 7 % 90 + i % 3);
  }
  return file;
}

inline FileBytes somePcapng(bool big) {
  using namespace ringtap::savefile;
  const NgOptions comment{{kOptionComment, text("odd")}};
  return ngSection(big, {{kOptionComment, text("first")}, {section_option::kApplication, text("maker")}}) +
         ngInterface(big, 1, 0,
                     {{interface_option::kName, text("eth0")}, {interface_option::kTimestampResolution, {9}}}) +
         ngBlock(big, kNameResolution,
                 FileWriter(big).u16(1).u16(7).raw({10, 0, 0, 1, 'a', 'b', 0}).pad().u32(0).bytes) +
         ngPacket(big, 0, 1'700'000'000'000'000'001, frame(61), 61, comment) +
         ngInterface(big, 101, 40,
                     {{interface_option::kTimestampResolution, {0x8a}},
                      {interface_option::kTimestampOffset, FileWriter(big).u64(100).bytes}}) +
         ngPacket(big, 1, 1024, frame(33, 1), 99, {{packet_option::kFlags, FileWriter(big).u32(0x2).bytes}}) +
         ngBlock(big, kCustom, FileWriter(big).u32(32473).raw(frame(30)).bytes) + ngSimplePacket(big, frame(10), 10) +
         ngBlock(big, kDecryptionSecrets, FileWriter(big).u32(0x544c534b).u32(5).raw(text("abcde")).bytes) +
         ngObsoletePacket(big, 0, 7, frame(12), 12) + ngBlock(big, 0x77, frame(2000)) +
         ngBlock(big, kInterfaceStatistics, FileWriter(big).u32(0).u64(9).bytes) + ngSection(!big) +
         ngInterface(!big, 113, 65535) + ngPacket(!big, 0, 5'000'000, frame(17), 17) +
         ngPacket(!big, 0, 5'000'001, frame(90), 90, comment);
}

}  // namespace support::files
