#include "core/savefile/savefile_blocks.h"

#include <sys/socket.h>
#include <sys/utsname.h>

#include <algorithm>

#include "core/savefile/savefile_format.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

using namespace savefile;

constexpr std::size_t kTagAt = 12;  // after the two addresses of an Ethernet header
constexpr std::size_t kMaxText = 65'532;

// One block: the constructor begins it, and end() closes it.
class Block {
 public:
  Block(ByteSink& sink, std::uint32_t type) : sink_(sink), start_(sink.size()) {
    sink_.put(type);
    sink_.put(std::uint32_t{0});
  }
  template <typename T>
  void body(const T& value) {
    sink_.put(value);
  }
  void option(std::uint16_t code, const void* data, std::size_t length) {
    writeOption(sink_, code, data, length);
    options_ = true;
  }
  // As writeOption() wrote them.
  void encoded(std::span<const std::byte> options) {
    if (options.empty()) return;
    std::memcpy(sink_.grow(options.size()), options.data(), options.size());
    options_ = true;
  }
  void text(std::uint16_t code, std::string_view text) {
    if (!text.empty()) option(code, text.data(), std::min(text.size(), kMaxText));
  }
  void texts(std::uint16_t code, std::span<const std::string> texts) {
    for (const std::string& one : texts) text(code, one);
  }
  template <typename T>
  void number(std::uint16_t code, const T& value) {
    option(code, &value, sizeof value);
  }
  // pcapng stores timestamps as two 32-bit halves, the upper one first.
  void time(std::uint16_t code, std::uint64_t nanoseconds) {
    const std::uint32_t halves[] = {static_cast<std::uint32_t>(nanoseconds >> 32),
                                    static_cast<std::uint32_t>(nanoseconds)};
    option(code, halves, sizeof halves);
  }
  void end() {
    if (options_) sink_.put(OptionHeader{kOptionEnd, 0});
    const auto length = static_cast<std::uint32_t>(sink_.size() - start_ + sizeof(std::uint32_t));
    sink_.put(length);
    std::memcpy(sink_.data() + start_ + sizeof(std::uint32_t), &length, sizeof length);
  }

 private:
  ByteSink& sink_;
  std::size_t start_;
  bool options_ = false;
};

std::uint32_t flagsOf(std::uint8_t packetType) {
  switch (packetType) {
    case kPacketOutgoing: return kFlagOutbound;
    case kPacketBroadcast: return kFlagInbound | kFlagBroadcast;
    case kPacketMulticast: return kFlagInbound | kFlagMulticast;
    case kPacketOtherHost: return kFlagInbound | kFlagPromiscuous;
    case kPacketIncoming: return kFlagInbound;
    case kPacketUnknown: return 0;
    default: return kFlagInbound | kFlagUnicast;
  }
}

constexpr std::size_t kPacketFlagsOption = sizeof(OptionHeader) + sizeof(std::uint32_t);

}  // namespace

SavefileSection SavefileSection::here(std::string application) {
  SavefileSection section;
  section.application = std::move(application);
  utsname name;
  if (::uname(&name) == 0) {
    section.hardware = name.machine;
    section.system = std::string(name.sysname) + " " + name.release;
  }
  return section;
}

void setUserLinkType(SavefileInterface& interface, std::uint16_t hardwareType) {
  interface.linkType = kLinkTypeUser0;
  interface.comments.push_back("a device of ARPHRD_ type " + std::to_string(hardwareType) +
                               ", which has no link type of its own");
}

FilePacket FilePacket::of(const Record& record, std::uint16_t linkType) {
  const RecordHeader& header = *record.header;
  FilePacket packet{record.data(), std::min(header.tp_snaplen, kMaxCaptured), header.tp_len, std::nullopt};
  const bool tagged = (header.tp_status & kStatusVlanValid) != 0;
  if (!tagged || linkType != kLinkTypeEthernet || packet.captured < kTagAt) return packet;
  const std::uint16_t tpid = (header.tp_status & kStatusVlanTpidValid) != 0 ? header.tp_vlan_tpid : 0x8100;
  const auto tci = static_cast<std::uint16_t>(header.tp_vlan_tci);
  packet.tag = {static_cast<std::uint8_t>(tpid >> 8), static_cast<std::uint8_t>(tpid),
                static_cast<std::uint8_t>(tci >> 8), static_cast<std::uint8_t>(tci)};
  packet.captured = std::min<std::uint32_t>(packet.captured + sizeof *packet.tag, kMaxCaptured);
  packet.original += sizeof *packet.tag;
  return packet;
}

void FilePacket::copyTo(std::byte* target) const {
  if (!tag) {
    if (captured > 0) std::memcpy(target, data, captured);  // of no bytes, `data` may be null
    return;
  }
  std::memcpy(target, data, kTagAt);
  std::memcpy(target + kTagAt, tag->data(), tag->size());
  std::memcpy(target + kTagAt + tag->size(), data + kTagAt, captured - kTagAt - tag->size());
}

void writeSection(ByteSink& sink, const SavefileSection& section) {
  Block block(sink, kSectionHeader);
  block.body(SectionHeaderBody{kByteOrderMagic, kPcapngMajor, kPcapngMinor, kSectionLengthUnknown});
  block.texts(kOptionComment, section.comments);
  block.text(section_option::kHardware, section.hardware);
  block.text(section_option::kOperatingSystem, section.system);
  block.text(section_option::kApplication, section.application);
  block.end();
}

void writeInterface(ByteSink& sink, const SavefileInterface& interface) {
  Block block(sink, kInterfaceDescription);
  block.body(InterfaceDescriptionBody{interface.linkType, 0, interface.snapLength});
  block.texts(kOptionComment, interface.comments);
  block.text(interface_option::kName, interface.name);
  block.text(interface_option::kDescription, interface.description);
  for (const InterfaceAddress& address : interface.addresses) {
    if (address.family == AF_INET) {  // the mask follows the address
      std::array<std::uint8_t, 8> bytes{};
      std::memcpy(bytes.data(), address.bytes.data(), 4);
      for (unsigned bit = 0; bit < std::min<unsigned>(address.prefixLength, 32); ++bit) {
        bytes[4 + bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
      }
      block.number(interface_option::kIpv4Address, bytes);
    } else {
      std::array<std::uint8_t, 17> bytes{};
      std::memcpy(bytes.data(), address.bytes.data(), 16);
      bytes[16] = address.prefixLength;
      block.number(interface_option::kIpv6Address, bytes);
    }
  }
  if (interface.address.size() == 6) block.option(interface_option::kMacAddress, interface.address.data(), 6);
  if (interface.speed > 0) block.number(interface_option::kSpeed, interface.speed);
  block.number(interface_option::kTimestampResolution, std::uint8_t{9});
  // The first byte, 0, marks an expression rather than a program.
  if (!interface.filter.empty()) block.text(interface_option::kFilter, std::string(1, '\0') + interface.filter);
  block.end();
}

void writePacket(ByteSink& sink, std::uint32_t interface, std::uint64_t timestamp, const FilePacket& packet,
                 std::uint8_t packetType, std::span<const std::string> comments, std::span<const std::byte> options) {
  const EnhancedPacketBody body{interface, static_cast<std::uint32_t>(timestamp >> 32),
                                static_cast<std::uint32_t>(timestamp), packet.captured, packet.original};
  const std::size_t room = padded(packet.captured);
  const std::uint32_t flags = flagsOf(packetType);  // 0: unknown, and the option is left out
  if (comments.empty()) {
    // The common case, written in one piece because most of the time is spent here.
    const auto length = static_cast<std::uint32_t>(packetBlockSize(packet.captured, packetType, options.size()));
    std::byte* at = sink.grow(length);
    const std::uint32_t head[] = {kEnhancedPacket, length};
    std::memcpy(at, head, sizeof head);
    std::memcpy(at + sizeof head, &body, sizeof body);
    at += sizeof head + sizeof body;
    const std::uint32_t zero = 0;
    if (room > 0) std::memcpy(at + room - sizeof zero, &zero, sizeof zero);  // the padding is within the last word
    packet.copyTo(at);
    at += room;
    if (!options.empty()) {
      std::memcpy(at, options.data(), options.size());
      at += options.size();
    }
    if (flags == 0) {
      const struct {
        OptionHeader end;
        std::uint32_t length;
      } tail{{kOptionEnd, 0}, length};
      if (options.empty()) std::memcpy(at, &length, sizeof length);
      else std::memcpy(at, &tail, sizeof tail);
      return;
    }
    const struct {
      OptionHeader flags;
      std::uint32_t value;
      OptionHeader end;
      std::uint32_t length;
    } tail{{packet_option::kFlags, sizeof(std::uint32_t)}, flags, {kOptionEnd, 0}, length};
    std::memcpy(at, &tail, sizeof tail);
    return;
  }
  Block block(sink, kEnhancedPacket);
  block.body(body);
  std::byte* at = sink.grow(room);
  std::memset(at, 0, room);
  packet.copyTo(at);
  block.texts(kOptionComment, comments);
  block.encoded(options);
  if (flags != 0) block.number(packet_option::kFlags, flags);
  block.end();
}

void writeOption(ByteSink& sink, std::uint16_t code, const void* value, std::size_t length) {
  sink.put(OptionHeader{code, static_cast<std::uint16_t>(length)});
  std::byte* target = sink.grow(padded(length));
  if (length > 0) std::memcpy(target, value, length);
  std::memset(target + length, 0, padded(length) - length);
}

void writeComment(ByteSink& sink, std::string_view comment) {
  if (!comment.empty()) writeOption(sink, kOptionComment, comment.data(), std::min(comment.size(), kMaxText));
}

std::vector<std::byte> packetOptions(std::string_view comment, std::uint32_t process) {
  ByteSink sink;
  writeComment(sink, comment);
  if (process != 0) {
    // epb_processid_threadid is the process "which originated the packet" and its thread, which the owner of a socket
    // does not tell: 0 is an unknown one.
    const std::uint32_t processThread[] = {process, 0};
    writeOption(sink, packet_option::kProcessThread, processThread, sizeof processThread);
  }
  const std::span<const std::byte> bytes = sink.bytes();
  return {bytes.begin(), bytes.end()};
}

void writeStatistics(ByteSink& sink, std::uint32_t interface, const SavefileStatistics& statistics) {
  Block block(sink, kInterfaceStatistics);
  block.body(InterfaceStatisticsBody{interface, static_cast<std::uint32_t>(statistics.end >> 32),
                                     static_cast<std::uint32_t>(statistics.end)});
  block.texts(kOptionComment, statistics.comments);
  block.time(statistics_option::kStartTime, statistics.start);
  block.time(statistics_option::kEndTime, statistics.end);
  if (statistics.dropped) {
    block.number(statistics_option::kReceived, statistics.delivered + *statistics.dropped);
    block.number(statistics_option::kDropped, *statistics.dropped);
  }
  if (statistics.bySystem) block.number(statistics_option::kDroppedBySystem, *statistics.bySystem);
  block.number(statistics_option::kDelivered, statistics.delivered);
  block.end();
}

void writeBlock(ByteSink& sink, std::uint32_t type, std::span<const std::uint8_t> body) {
  Block block(sink, type);
  if (!body.empty()) std::memcpy(sink.grow(body.size()), body.data(), body.size());
  block.end();
}

void writePcapHeader(ByteSink& sink, std::uint16_t linkType, std::uint32_t snapLength, bool nanoseconds) {
  sink.put(PcapHeader{nanoseconds ? kMagicNanoseconds : kMagicMicroseconds, kPcapMajor, kPcapMinor, 0, 0, snapLength,
                      linkType});
}

bool writePcapPacket(ByteSink& sink, std::uint64_t timestamp, const FilePacket& packet, bool nanoseconds) {
  constexpr std::uint64_t kLast = (std::uint64_t{UINT32_MAX} + 1) * 1'000'000'000u - 1;
  const bool fits = timestamp <= kLast;
  if (!fits) timestamp = kLast;
  const auto fraction = static_cast<std::uint32_t>(timestamp % 1'000'000'000u);
  sink.put(PcapRecord{static_cast<std::uint32_t>(timestamp / 1'000'000'000u), nanoseconds ? fraction : fraction / 1000,
                      packet.captured, packet.original});
  packet.copyTo(sink.grow(packet.captured));
  return fits;
}

std::size_t packetBlockSize(std::uint32_t captured, std::uint8_t packetType, std::size_t options) {
  if (flagsOf(packetType) != 0) options += kPacketFlagsOption;
  const std::size_t end = options > 0 ? sizeof(OptionHeader) : 0;  // of the options
  return kBlockEnvelope + sizeof(EnhancedPacketBody) + padded(captured) + options + end;
}

std::size_t pcapPacketSize(std::uint32_t captured) { return sizeof(PcapRecord) + captured; }

namespace {

void count(WholePart& part, std::uint32_t captured, std::uint64_t timestamp) {
  part.firstTimestamp = part.packets == 0 ? timestamp : std::min(part.firstTimestamp, timestamp);
  part.lastTimestamp = std::max(part.lastTimestamp, timestamp);
  part.packetBytes += captured;
  ++part.packets;
}

}  // namespace

WholePart wholeBlocks(std::span<const std::byte> bytes, std::size_t length) {
  WholePart part;
  length = std::min(length, bytes.size());
  while (length - part.bytes >= kBlockEnvelope) {
    std::uint32_t head[2];
    std::memcpy(head, bytes.data() + part.bytes, sizeof head);
    if (head[1] < kBlockEnvelope || head[1] > length - part.bytes) break;
    if (head[0] == kEnhancedPacket && head[1] >= kBlockEnvelope + sizeof(EnhancedPacketBody)) {
      EnhancedPacketBody packet;
      std::memcpy(&packet, bytes.data() + part.bytes + sizeof head, sizeof packet);
      count(part, packet.captured, std::uint64_t{packet.timeHigh} << 32 | packet.timeLow);
    }
    part.bytes += head[1];
  }
  return part;
}

WholePart wholePcapRecords(std::span<const std::byte> bytes, std::size_t length, bool withHeader, bool nanoseconds) {
  WholePart part;
  length = std::min(length, bytes.size());
  if (withHeader) {
    if (length < sizeof(PcapHeader)) return part;
    part.bytes = sizeof(PcapHeader);
  }
  while (length - part.bytes >= sizeof(PcapRecord)) {
    PcapRecord record;
    std::memcpy(&record, bytes.data() + part.bytes, sizeof record);
    const std::size_t size = sizeof record + record.captured;
    if (size > length - part.bytes) break;
    const std::uint64_t unit = nanoseconds ? 1 : 1000;
    count(part, record.captured, std::uint64_t{record.seconds} * 1'000'000'000u + record.fraction * unit);
    part.bytes += size;
  }
  return part;
}

}  // namespace ringtap
