// The parts of savefiles as bytes: pcapng's blocks, pcap's header and records. Pure functions over memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/block/block.h"
#include "core/links/interface_info.h"
#include "core/savefile/byte_sink.h"

namespace ringtap {

// What a file says of where it was made; an empty text is left out.
struct SavefileSection {
  std::string hardware;
  std::string system;
  std::string application;
  std::vector<std::string> comments;

  // Of this machine, in the words of uname(2); `application` with the version.
  [[nodiscard]] static SavefileSection here(std::string application);
};

// What a file says of an interface; what is not known is left out.
struct SavefileInterface {
  std::string name;
  std::string description;
  std::uint16_t linkType = 1;
  std::uint32_t snapLength = 0;       // 0: no limit
  std::vector<std::uint8_t> address;  // 6 bytes, or it is left out
  std::vector<InterfaceAddress> addresses;
  std::uint64_t speed = 0;  // bits per second
  std::string filter;
  std::vector<std::string> comments;
};

// For a device whose packets have no LINKTYPE_ of their own: LINKTYPE_USER0, and a comment that names the device's
// type.
inline constexpr std::uint16_t kLinkTypeUser0 = 147;
void setUserLinkType(SavefileInterface& interface, std::uint16_t hardwareType);

// The content of an interface statistics block.
struct SavefileStatistics {
  std::uint64_t start = 0, end = 0;       // nanoseconds since 1970
  std::uint64_t delivered = 0;            // packets in the file
  std::optional<std::uint64_t> dropped;   // for any cause, by the system included
  std::optional<std::uint64_t> bySystem;  // because the ring was full
  std::vector<std::string> comments;
};

// Bytes of a packet as a file has them: with a VLAN tag that the kernel took out put back.
struct FilePacket {
  const std::uint8_t* data;
  std::uint32_t captured;  // of the file, so with the tag
  std::uint32_t original;
  std::optional<std::array<std::uint8_t, 4>> tag;

  static FilePacket of(const Record& record, std::uint16_t linkType);
  void copyTo(std::byte* target) const;
};

void writeSection(ByteSink& sink, const SavefileSection& section);
void writeInterface(ByteSink& sink, const SavefileInterface& interface);
// `packetType`: sll_pkttype, for the direction and to whom it was addressed.
void writePacket(ByteSink& sink, std::uint32_t interface, std::uint64_t timestamp, const FilePacket& packet,
                 std::uint8_t packetType, std::span<const std::string> comments = {});
void writeStatistics(ByteSink& sink, std::uint32_t interface, const SavefileStatistics& statistics);

// `body`: in this machine's byte order, a multiple of four bytes.
void writeBlock(ByteSink& sink, std::uint32_t type, std::span<const std::uint8_t> body);

void writePcapHeader(ByteSink& sink, std::uint16_t linkType, std::uint32_t snapLength, bool nanoseconds);
// False: the time is later than pcap's last second, in 2106, and was replaced by its end.
bool writePcapPacket(ByteSink& sink, std::uint64_t timestamp, const FilePacket& packet, bool nanoseconds);

// Bytes that writePacket() without comments and writePcapPacket() take.
[[nodiscard]] std::size_t packetBlockSize(std::uint32_t captured, std::uint8_t packetType);
[[nodiscard]] std::size_t pcapPacketSize(std::uint32_t captured);

// How much of what writePacket(), writeInterface(), …, or writePcapPacket() wrote lies before `length` as whole blocks
// or records, and what packets.
struct WholePart {
  std::size_t bytes = 0;
  std::uint64_t packets = 0;
  std::uint64_t packetBytes = 0;     // as captured
  std::uint64_t firstTimestamp = 0;  // the earliest and the latest of its packets, as the file has them
  std::uint64_t lastTimestamp = 0;
};
[[nodiscard]] WholePart wholeBlocks(std::span<const std::byte> bytes, std::size_t length);
[[nodiscard]] WholePart wholePcapRecords(std::span<const std::byte> bytes, std::size_t length, bool withHeader,
                                         bool nanoseconds);

}  // namespace ringtap
