// Encodes the parts of savefiles: pcapng blocks, the pcap header and pcap records. Pure functions over memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/block/block.h"
#include "core/savefile/byte_sink.h"
#include "core/util/interface_address.h"

namespace ringtap {

// Where a file was made. Empty texts are left out of the file.
struct SavefileSection {
  std::string hardware;
  std::string system;
  std::string application;
  std::vector<std::string> comments;

  // Describes this machine, with the fields of uname(2). `application` includes the version.
  [[nodiscard]] static SavefileSection here(std::string application);
};

// An interface's description in a file. Unknown values are left out of the file.
struct SavefileInterface {
  std::string name;
  std::string description;
  std::uint16_t linkType = 1;
  std::uint32_t snapLength = 0;       // 0: no limit
  std::vector<std::uint8_t> address;  // 6 bytes; other lengths are left out
  std::vector<InterfaceAddress> addresses;
  std::uint64_t speed = 0;  // bits per second
  std::string filter;
  std::vector<std::string> comments;
};

// For a device whose packets have no LINKTYPE_ value: sets LINKTYPE_USER0, and adds a comment with the device's type.
inline constexpr std::uint16_t kLinkTypeUser0 = 147;
void setUserLinkType(SavefileInterface& interface, std::uint16_t hardwareType);

// The contents of an interface statistics block.
struct SavefileStatistics {
  std::uint64_t start = 0, end = 0;       // nanoseconds since 1970
  std::uint64_t delivered = 0;            // packets in the file
  std::optional<std::uint64_t> dropped;   // packets dropped for any reason, including bySystem
  std::optional<std::uint64_t> bySystem;  // packets dropped because the ring was full
  std::vector<std::string> comments;
};

// A packet's bytes as a file stores them: a VLAN tag that the kernel stripped is inserted again.
struct FilePacket {
  const std::uint8_t* data;
  std::uint32_t captured;  // bytes in the file, including the tag
  std::uint32_t original;
  std::optional<std::array<std::uint8_t, 4>> tag;

  static FilePacket of(const Record& record, std::uint16_t linkType);
  void copyTo(std::byte* target) const;
};

void writeSection(ByteSink& sink, const SavefileSection& section);
void writeInterface(ByteSink& sink, const SavefileInterface& interface);
// `packetType`: sll_pkttype, from which the packet's direction and reception type are set. `options`: further ones, as
// packetOptions() has them.
void writePacket(ByteSink& sink, std::uint32_t interface, std::uint64_t timestamp, const FilePacket& packet,
                 std::uint8_t packetType, std::span<const std::string> comments = {},
                 std::span<const std::byte> options = {});
// An option, padded to four bytes. At most 65535 bytes.
void writeOption(ByteSink& sink, std::uint16_t code, const void* value, std::size_t length);
// A comment of UTF-8; nothing if it is empty. Longer ones are cut at 65532 bytes.
void writeComment(ByteSink& sink, std::string_view comment);
// A comment of UTF-8 (empty: none), and the process that has sent the packet (0: unknown).
[[nodiscard]] std::vector<std::byte> packetOptions(std::string_view comment, std::uint32_t process);
void writeStatistics(ByteSink& sink, std::uint32_t interface, const SavefileStatistics& statistics);

// `body`: in this machine's byte order, a multiple of four bytes.
void writeBlock(ByteSink& sink, std::uint32_t type, std::span<const std::uint8_t> body);

void writePcapHeader(ByteSink& sink, std::uint16_t linkType, std::uint32_t snapLength, bool nanoseconds);
// Returns false if the time is later than pcap's last second, in 2106, and was replaced by the end of that second.
bool writePcapPacket(ByteSink& sink, std::uint64_t timestamp, const FilePacket& packet, bool nanoseconds);

// The number of bytes that writePacket() without comments, or writePcapPacket(), adds. `options`: bytes of these.
[[nodiscard]] std::size_t packetBlockSize(std::uint32_t captured, std::uint8_t packetType, std::size_t options = 0);
[[nodiscard]] std::size_t pcapPacketSize(std::uint32_t captured);

// The whole blocks or records before `length` in the output of writePacket(), writeInterface(), …, or of
// writePcapPacket(), and the packets in them.
struct WholePart {
  std::size_t bytes = 0;
  std::uint64_t packets = 0;
  std::uint64_t packetBytes = 0;     // captured bytes of these packets
  std::uint64_t firstTimestamp = 0;  // earliest and latest packet timestamps, as stored in the file
  std::uint64_t lastTimestamp = 0;
};
[[nodiscard]] WholePart wholeBlocks(std::span<const std::byte> bytes, std::size_t length);
[[nodiscard]] WholePart wholePcapRecords(std::span<const std::byte> bytes, std::size_t length, bool withHeader,
                                         bool nanoseconds);

}  // namespace ringtap
