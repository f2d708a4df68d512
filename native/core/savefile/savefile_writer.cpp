#include "core/savefile/savefile_writer.h"

#include <algorithm>

#include "core/util/link_type.h"

namespace ringtap {

void SavefileWriter::begin() {
  counts_ = {};
  linkTypes_.clear();
  delivered_.clear();
  headed_ = false;
  // The pcap header contains the link type, so it is written with the first interface.
  if (options_.format == SavefileFormat::Pcapng) header(0);
}

void SavefileWriter::header(std::uint16_t linkType) {
  const std::size_t before = sink_.size();
  if (options_.format == SavefileFormat::Pcapng) writeSection(sink_, options_.section);
  else writePcapHeader(sink_, linkType, options_.snapLength, options_.nanoseconds);
  headed_ = true;
  wrote(before);
}

std::uint32_t SavefileWriter::add(const SavefileInterface& interface) {
  if (options_.format == SavefileFormat::Pcapng) {
    const std::size_t before = sink_.size();
    writeInterface(sink_, interface);
    wrote(before);
  } else if (!headed_) {
    header(interface.linkType);
  }
  linkTypes_.push_back(interface.linkType);
  delivered_.emplace_back();
  return static_cast<std::uint32_t>(linkTypes_.size() - 1);
}

bool SavefileWriter::write(std::uint32_t interface, const Record& record, std::span<const std::string> comments,
                           std::span<const std::byte> options) {
  const std::uint16_t linkType = linkTypes_[interface];
  const std::size_t before = sink_.size();
  const FilePacket packet = FilePacket::of(record, linkType);
  std::uint64_t timestamp;
  std::memcpy(&timestamp, record.header->tp_padding, sizeof timestamp);
  if (options_.format == SavefileFormat::Pcapng) {
    writePacket(sink_, interface, timestamp, packet, record.from().sll_pkttype, comments, options);
  } else {
    if (linkType != linkTypes_.front()) return false;
    if (!writePcapPacket(sink_, timestamp, packet, options_.nanoseconds)) ++counts_.clampedTimes;
  }
  counts_.firstTimestamp = counts_.packets == 0 ? timestamp : std::min(counts_.firstTimestamp, timestamp);
  counts_.lastTimestamp = std::max(counts_.lastTimestamp, timestamp);
  ++counts_.packets;
  counts_.packetBytes += packet.captured;
  PacketTally& tally = delivered_[interface];
  ++tally.packets;
  tally.bytes += record.header->tp_snaplen;
  tally.truncated += record.truncated() ? 1 : 0;
  wrote(before);
  return true;
}

std::size_t SavefileWriter::sizeOf(std::uint32_t interface, const Record& record, std::size_t options) const {
  const std::uint32_t captured = FilePacket::of(record, linkTypes_[interface]).captured;
  return options_.format == SavefileFormat::Pcapng ? packetBlockSize(captured, record.from().sll_pkttype, options)
                                                   : pcapPacketSize(captured);
}

void SavefileWriter::statistics(std::uint32_t interface, const SavefileStatistics& statistics) {
  if (options_.format != SavefileFormat::Pcapng) return;
  const std::size_t before = sink_.size();
  writeStatistics(sink_, interface, statistics);
  wrote(before);
}

void SavefileWriter::block(std::uint32_t type, std::span<const std::uint8_t> body) {
  if (options_.format != SavefileFormat::Pcapng) return;
  const std::size_t before = sink_.size();
  writeBlock(sink_, type, body);
  wrote(before);
}

void SavefileWriter::end() {
  if (!headed_) header(kLinkTypeEthernet);
}

}  // namespace ringtap
