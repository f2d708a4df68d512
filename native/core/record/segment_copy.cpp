#include "core/record/segment_copy.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/filter/filter_interpreter.h"
#include "core/savefile/option_walk.h"
#include "core/savefile/savefile_blocks.h"
#include "core/savefile/savefile_format.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

using namespace savefile;

template <typename T>
T load(std::span<const std::byte> block, std::size_t offset) {
  T value;
  std::memcpy(&value, block.data() + offset, sizeof value);
  return value;
}

// The body begins behind type and length.
constexpr std::size_t kBody = 8;

// Calls visit(type, block) for each block of a segment until it returns false.
template <typename Visit>
void eachBlock(const FlightSegment& segment, Visit&& visit) {
  const std::span<const std::byte> all(segment.bytes.data(), segment.length);
  for (std::size_t at = 0; at < all.size();) {
    const auto length = load<std::uint32_t>(all, at + sizeof(std::uint32_t));
    const auto block = all.subspan(at, length);
    if (!visit(load<std::uint32_t>(block, 0), block)) return;
    at += length;
  }
}

std::string_view textOf(std::span<const std::byte> block) {
  return {reinterpret_cast<const char*>(block.data()), block.size()};
}

// An interface's description, which this process has written.
FileInterface parsed(std::span<const std::byte> block) {
  const auto body = load<InterfaceDescriptionBody>(block, kBody);
  FileInterface interface;
  interface.linkType = body.linkType;
  interface.snapshotLength = body.snapLength;
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(block.data()), block.size() - sizeof(std::uint32_t));
  (void)walkOptions(bytes, kBody + sizeof body, false, [&](std::uint16_t code, std::size_t at, std::uint16_t length) {
    const std::span value = bytes.subspan(at, length);
    interface.options.push_back({code, {value.begin(), value.end()}});
  });
  return interface;
}

}  // namespace

SegmentCopy::SegmentCopy(SegmentCopyOptions options)
    : options_(std::move(options)),
      filter_(options_.filter, [this](std::string text) { warnings_.push_back(std::move(text)); }),
      linkType_(options_.linkType) {}

Result<> SegmentCopy::begin() {
  if (auto checked = filter_.check(); !checked) return checked;
  if (options_.form.format == SavefileFormat::Pcapng) writeSection(sink_, options_.form.section);
  else if (linkType_ != 0) head(linkType_);
  return {};
}

// Of a pcap file.
void SegmentCopy::head(std::uint16_t linkType) {
  writePcapHeader(sink_, linkType, options_.form.snapLength, options_.form.nanoseconds);
  linkType_ = linkType;
  headed_ = true;
}

void SegmentCopy::end() {
  if (options_.form.format == SavefileFormat::Pcap && !headed_) head(kLinkTypeEthernet);
}

std::optional<FileInterface> SegmentCopy::undecided(const FlightSegment& segment) {
  std::optional<FileInterface> found;
  eachBlock(segment, [&](std::uint32_t type, std::span<const std::byte> block) {
    if (type != kInterfaceDescription || verdicts_.contains(textOf(block))) return true;
    asked_ = textOf(block);
    found = parsed(block);
    return false;
  });
  return found;
}

void SegmentCopy::decide(bool selected) { verdicts_.emplace(std::move(asked_), selected); }

bool SegmentCopy::selected(std::span<const std::byte> description) const {
  if (!options_.selecting) return true;
  const auto verdict = verdicts_.find(textOf(description));
  return verdict != verdicts_.end() && verdict->second;
}

Result<> SegmentCopy::add(const FlightSegment& segment) {
  interfaces_.clear();
  Result<> outcome;
  eachBlock(segment, [&](std::uint32_t type, std::span<const std::byte> block) {
    if (type == kInterfaceDescription) interface(block, segment);
    if (type == kEnhancedPacket) outcome = packet(block);
    return outcome.ok();
  });
  if (!outcome) return outcome;
  for (std::size_t i = 0; i < segment.lost.size() && i < interfaces_.size(); ++i) {
    const InterfaceLoss& loss = segment.lost[i];
    if (!interfaces_[i].selected || loss.inRing + loss.byRecorder == 0) continue;
    Described& described = described_[idOf(interfaces_[i])];
    described.loss.inRing += loss.inRing;
    described.loss.byRecorder += loss.byRecorder;
  }
  lostOfAll_ += segment.lostOfAll;
  return {};
}

void SegmentCopy::interface(std::span<const std::byte> block, const FlightSegment& segment) {
  const std::size_t number = interfaces_.size();
  Interface& one = interfaces_.emplace_back();
  one.description = block;
  if (number < segment.devices.size()) one.device = segment.devices[number].device;
  one.linkType = load<InterfaceDescriptionBody>(block, kBody).linkType;
  one.selected = selected(block);
}

// Describes the interface in the file, once: a segment repeats the descriptions of the one before.
std::uint32_t SegmentCopy::idOf(Interface& interface) {
  if (interface.id) return *interface.id;
  const std::string_view description = textOf(interface.description);
  auto known = ids_.find(description);
  if (known == ids_.end()) {
    known = ids_.emplace(description, static_cast<std::uint32_t>(described_.size())).first;
    described_.emplace_back();
    if (options_.form.format == SavefileFormat::Pcapng) {
      std::memcpy(sink_.grow(description.size()), description.data(), description.size());
    }
  }
  described_[known->second].device = interface.device;
  interface.id = known->second;
  return known->second;
}

Result<> SegmentCopy::packet(std::span<const std::byte> block) {
  const auto body = load<EnhancedPacketBody>(block, kBody);
  Interface& interface = interfaces_[body.interface];
  if (!interface.selected) return {};
  const std::uint64_t timestamp = std::uint64_t{body.timeHigh} << 32 | body.timeLow;
  if (timestamp < options_.from || timestamp > options_.to) return {};
  const auto* data = reinterpret_cast<const std::uint8_t*>(block.data() + kEnhancedPacketData);
  if (options_.filter) {
    if (interface.program == nullptr) {
      auto program = filter_.programFor(interface.linkType, false);
      if (!program) return std::move(program.error());
      interface.program = *program;
    }
    if (runFilter(*interface.program, {data, body.captured}, body.original) == 0) return {};
  }
  if (options_.form.format == SavefileFormat::Pcap) {
    if (!headed_) head(interface.linkType);
    if (interface.linkType != linkType_) {
      ++otherLinkType_;
      return {};
    }
    (void)writePcapPacket(sink_, timestamp, {data, body.captured, body.original, std::nullopt},
                          options_.form.nanoseconds);
  }
  const std::uint32_t id = idOf(interface);
  if (options_.form.format == SavefileFormat::Pcapng) {
    std::byte* const copy = sink_.grow(block.size());
    std::memcpy(copy, block.data(), block.size());
    std::memcpy(copy + kBody, &id, sizeof id);
  }
  ++described_[id].packets;
  counts_.firstTimestamp = counts_.packets == 0 ? timestamp : std::min(counts_.firstTimestamp, timestamp);
  counts_.lastTimestamp = std::max(counts_.lastTimestamp, timestamp);
  ++counts_.packets;
  counts_.packetBytes += body.captured;
  return {};
}

void SegmentCopy::statistics(std::uint64_t start, std::uint64_t end,
                             const std::function<void(InterfaceId, SavefileStatistics&)>& amend) {
  if (options_.form.format == SavefileFormat::Pcap) return;
  for (std::uint32_t id = 0; id < described_.size(); ++id) {
    const Described& described = described_[id];
    SavefileStatistics statistics;
    statistics.start = start;
    statistics.end = end;
    statistics.delivered = described.packets;
    addLosses(statistics, described.loss, lostOfAll_);
    amend(described.device, statistics);
    writeStatistics(sink_, id, statistics);
  }
}

std::uint64_t SegmentCopy::lost() const {
  std::uint64_t lost = lostOfAll_;
  for (const Described& described : described_) lost += described.loss.inRing + described.loss.byRecorder;
  return lost;
}

}  // namespace ringtap
