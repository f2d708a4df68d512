#include "core/savefile/pcapng_parser.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <utility>

#include "core/savefile/option_walk.h"
#include "core/savefile/pseudo_header.h"
#include "core/savefile/savefile_format.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

using namespace savefile;

constexpr std::size_t kMaxInterfaces = 65536;
constexpr std::uint64_t kMaxWarnings = 20;          // about skipped sections, per file
constexpr std::size_t kMaxOptionBytes = 16u << 20;  // kept per section, with its interfaces
constexpr std::size_t kMaxOptions = 4096;           // kept per block: each becomes a JavaScript object

std::string hex(std::uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%x", value);
  return text;
}

std::uint8_t packetTypeOf(std::uint32_t flags) {
  switch (flags & kFlagDirection) {
    case kFlagOutbound: return kPacketOutgoing;
    case kFlagInbound: break;
    default: return kPacketUnknown;
  }
  switch (flags & kFlagReception) {
    case kFlagUnicast: return kPacketHost;
    case kFlagMulticast: return kPacketMulticast;
    case kFlagBroadcast: return kPacketBroadcast;
    case kFlagPromiscuous: return kPacketOtherHost;
    default: return kPacketIncoming;
  }
}

// The minimum length of a block of this type, in bytes; for other types, that of the envelope.
std::uint32_t minLength(std::uint32_t type) {
  switch (type) {
    case kSectionHeader: return kSectionHeaderFixed;
    case kInterfaceDescription: return kInterfaceDescriptionFixed;
    case kEnhancedPacket: return kEnhancedPacketFixed;
    case kObsoletePacket: return kObsoletePacketFixed;
    case kSimplePacket: return kSimplePacketFixed;
    default: return kBlockEnvelope;
  }
}

}  // namespace

std::uint16_t PcapngParser::load16(const std::uint8_t* at) const {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return swapped_ ? __builtin_bswap16(value) : value;
}
std::uint32_t PcapngParser::load32(const std::uint8_t* at) const {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return swapped_ ? __builtin_bswap32(value) : value;
}
std::uint64_t PcapngParser::load64(const std::uint8_t* at) const {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return swapped_ ? __builtin_bswap64(value) : value;
}

Result<ParseStep> PcapngParser::parse(std::span<const std::uint8_t> bytes, BlockFiller& filler, std::size_t& consumed) {
  consumed = 0;
  const auto advance = [&](std::size_t length) {
    consumed += length;
    offset_ += length;
  };
  for (;;) {
    const std::uint8_t* at = bytes.data() + consumed;
    const std::size_t left = bytes.size() - consumed;
    if (trailer_) {
      if (left < 4) return ParseStep{ParseStep::Why::More, 4};
      if (load32(at) != *trailer_) {
        return damage("a block whose second length, " + std::to_string(load32(at)) + ", is not its first, " +
                          std::to_string(*trailer_),
                      offset_ - (*trailer_ - 4));
      }
      trailer_.reset();
      advance(4);
      continue;
    }
    if (left < kBlockEnvelope) return ParseStep{ParseStep::Why::More, kBlockEnvelope};
    Block block{at, load32(at), 0};
    if (block.type == kSectionHeader) {
      if (auto ordered = byteOrder(at); !ordered) return ordered.error();
    } else if (!begun_) {
      return damage("a pcapng file that begins with no section header", offset_, Code::FileFormat);
    }
    block.length = load32(at + 4);
    const bool skipped = skipping_ && block.type != kSectionHeader;
    if (block.length % 4 != 0 || block.length < (skipped ? kBlockEnvelope : minLength(block.type))) {
      return damage(
          "a block of type " + hex(block.type) + " with the impossible length " + std::to_string(block.length),
          offset_);
    }

    const bool essential =
        !skipped && (block.type == kSectionHeader || block.type == kInterfaceDescription ||
                     block.type == kEnhancedPacket || block.type == kObsoletePacket || block.type == kSimplePacket);
    if (essential && block.length > limits_.item) {
      return damage("a block of type " + hex(block.type) + " that claims " + std::to_string(block.length) +
                        " bytes, where at most " + std::to_string(limits_.item) + " were expected",
                    offset_);
    }
    if (left < block.length) {
      const bool kept = essential || (!skipped && listener_.wanted(block.type, block.length - kBlockEnvelope, offset_));
      if (kept) return ParseStep{ParseStep::Why::More, block.length};
      ++stats_.skippedBlocks;
      trailer_ = block.length;
      const std::uint64_t skip = block.length - 4;
      offset_ += skip;
      return ParseStep{ParseStep::Why::Skip, skip};
    }
    if (load32(at + block.length - 4) != block.length) {
      return damage("a block of type " + hex(block.type) + " whose second length, " +
                        std::to_string(load32(at + block.length - 4)) + ", is not its first, " +
                        std::to_string(block.length),
                    offset_);
    }

    if (skipped) {
      ++stats_.skippedBlocks;
      advance(block.length);
      continue;
    }
    auto room = pass(block, filler);
    if (!room) return room.error();
    if (!*room) return ParseStep{ParseStep::Why::Full, 0};
    advance(block.length);
  }
}

Result<> PcapngParser::byteOrder(const std::uint8_t* at) {
  std::uint32_t magic;
  std::memcpy(&magic, at + 8, sizeof magic);
  if (magic != kByteOrderMagic && magic != __builtin_bswap32(kByteOrderMagic)) {
    return damage("a section header with a byte-order magic that is none", offset_,
                  begun_ ? Code::FileDamaged : Code::FileFormat);
  }
  swapped_ = magic != kByteOrderMagic;
  return {};
}

Result<bool> PcapngParser::pass(const Block& block, BlockFiller& filler) {
  Result<> done;
  switch (block.type) {
    case kEnhancedPacket:
    case kObsoletePacket: return packet(block, filler);
    case kSimplePacket: return simplePacket(block, filler);
    case kSectionHeader: done = section(block); break;
    case kInterfaceDescription: done = interface(block); break;
    default: done = other(block); break;
  }
  if (!done) return std::move(done.error());
  return true;
}

Result<> PcapngParser::section(const Block& block) {
  FileSection section;
  section.pcapng = true;
  section.bigEndian = swapped_ == (std::endian::native == std::endian::little);
  section.major = load16(block.bytes + 12);
  section.minor = load16(block.bytes + 14);
  begun_ = true;
  optionBytes_ = 0;
  interfaces_.clear();
  // Some writers store minor version 2 instead of 0. Sections of other versions are skipped, as the draft specifies.
  skipping_ = section.major != kPcapngMajor || (section.minor != kPcapngMinor && section.minor != 2);
  if (skipping_) {
    if (skippedSections_++ < kMaxWarnings) {
      listener_.warning("the section at byte " + std::to_string(offset_) + " is skipped: it is of version " +
                        std::to_string(section.major) + "." + std::to_string(section.minor) +
                        ", where 1.0 can be read");
    }
    return {};
  }
  readable_ = true;
  auto options = keptOptions(block, kSectionHeaderFixed - 4, [](std::uint16_t, std::span<const std::uint8_t>) {});
  if (!options) return options.error();
  section.options = std::move(*options);
  return listener_.section(std::move(section));
}

Result<> PcapngParser::interface(const Block& block) {
  if (interfaces_.size() >= kMaxInterfaces) {
    return damage("a section with more than " + std::to_string(kMaxInterfaces) + " interfaces", offset_);
  }
  FileInterface interface;
  interface.index = known_;
  interface.id = static_cast<std::uint32_t>(interfaces_.size());
  interface.linkType = linkTypeOfFile(load16(block.bytes + 8));
  interface.snapshotLength = load32(block.bytes + 12);
  std::optional<std::uint8_t> resolution;
  std::optional<std::int64_t> offset;
  auto options =
      keptOptions(block, kInterfaceDescriptionFixed - 4, [&](std::uint16_t code, std::span<const std::uint8_t> value) {
        using namespace interface_option;
        if (code == kTimestampResolution && !value.empty() && !resolution) resolution = value[0];
        if (code == kTimestampOffset && value.size() >= 8 && !offset) {
          offset = static_cast<std::int64_t>(load64(value.data()));
        }
      });
  if (!options) return options.error();
  interface.options = std::move(*options);
  Described described;
  described.hardwareType = hardwareTypeOf(interface.linkType);
  described.head = RecordHead(interface.index, interface.linkType, described.hardwareType);
  described.time = FileTime(resolution.value_or(6), offset.value_or(0));
  if (swapped_ && hasHostOrderHeader(interface.linkType)) described.swappedHeader = interface.linkType;
  described.snapshotLength = interface.snapshotLength;
  auto rule = listener_.interface(std::move(interface));
  if (!rule) return rule.error();
  described.rule = *rule;
  interfaces_.push_back(described);
  ++known_;
  return {};
}

Result<bool> PcapngParser::packet(const Block& block, BlockFiller& filler) {
  const bool obsolete = block.type == kObsoletePacket;
  const std::uint32_t id = obsolete ? load16(block.bytes + 8) : load32(block.bytes + 8);
  if (id >= interfaces_.size()) {
    return damage("a packet of interface " + std::to_string(id) + ", where the section has " +
                      std::to_string(interfaces_.size()) + " so far",
                  offset_);
  }
  const std::uint32_t captured = load32(block.bytes + 20);
  const std::uint64_t dataEnd = kEnhancedPacketData + padded(captured);
  if (dataEnd + 4 > block.length || captured > limits_.packet) {
    return damage(
        "a packet that claims " + std::to_string(captured) + " bytes in a block of " + std::to_string(block.length),
        offset_);
  }
  const Described& interface = interfaces_[id];
  FilledPacket packet;
  packet.data = {block.bytes + kEnhancedPacketData, captured};
  packet.original = load32(block.bytes + 24);
  const std::uint64_t units = std::uint64_t{load32(block.bytes + 12)} << 32 | load32(block.bytes + 16);
  packet.timestamp = interface.time.nanoseconds(units, packet.clamped);
  packet.seconds = static_cast<std::uint32_t>(packet.timestamp / 1'000'000'000u);
  packet.nanoseconds = static_cast<std::uint32_t>(packet.timestamp % 1'000'000'000u);
  if (dataEnd + 4 < block.length) {
    auto options = packetOptions(block, dataEnd);
    if (!options) return options.error();
    packet.packetType = packetTypeOf(options->flags);
    packet.options = options->stored;
  }
  if (packet.options.empty()) return deliver(interface, packet, filler);
  FilledPacket again = packet;
  if (deliver(interface, packet, filler)) return true;
  if (!filler.empty()) return false;
  // Hundreds of kilobytes of options are no reason to refuse a packet, unless they are comments, which are read.
  options_.keepComments();
  again.options = options_.bytes();
  return deliver(interface, again, filler);
}

Result<bool> PcapngParser::simplePacket(const Block& block, BlockFiller& filler) {
  if (interfaces_.empty()) return damage("a simple packet ahead of its interface", offset_);
  const Described& interface = interfaces_.front();
  FilledPacket packet;
  packet.original = load32(block.bytes + 8);
  // A simple packet block stores no captured length: it is the original length, up to the snapshot length.
  std::uint32_t captured = packet.original;
  if (interface.snapshotLength > 0) captured = std::min(captured, interface.snapshotLength);
  if (kSimplePacketData + padded(captured) + 4 > block.length || captured > limits_.packet) {
    return damage(
        "a simple packet of " + std::to_string(captured) + " bytes in a block of " + std::to_string(block.length),
        offset_);
  }
  packet.data = {block.bytes + kSimplePacketData, captured};
  return deliver(interface, packet, filler);
}

Result<> PcapngParser::other(const Block& block) {
  if (!listener_.wanted(block.type, block.length - kBlockEnvelope, offset_)) {
    ++stats_.skippedBlocks;
    return {};
  }
  FileBlock kept;
  kept.type = block.type;
  kept.bigEndian = swapped_ == (std::endian::native == std::endian::little);
  kept.offset = offset_;
  kept.body.assign(block.bytes + 8, block.bytes + block.length - 4);
  return listener_.block(std::move(kept));
}

template <typename Visit>
Result<> PcapngParser::options(const Block& block, std::uint64_t at, Visit&& visit) const {
  const std::span body(block.bytes, block.length - 4);
  const OptionWalk walk = walkOptions(
      body, at, swapped_,
      [&](std::uint16_t code, std::size_t from, std::size_t length) { visit(code, body.subspan(from, length)); });
  if (walk.good) return {};
  return damage("an option of " + std::to_string(load16(block.bytes + walk.at + 2)) + " bytes, " +
                    std::to_string(walk.at) + " bytes into a block of type " + hex(block.type) +
                    ", that ends beyond the block",
                offset_);
}

template <typename Visit>
Result<std::vector<FileOption>> PcapngParser::keptOptions(const Block& block, std::uint64_t at, Visit&& visit) {
  std::vector<FileOption> list;
  auto walked = options(block, at, [&](std::uint16_t code, std::span<const std::uint8_t> value) {
    visit(code, value);
    if (list.size() == kMaxOptions) {
      if (std::exchange(tooManyOptions_, true)) return;
      listener_.warning("the block at byte " + std::to_string(offset_) + " has more than " +
                        std::to_string(kMaxOptions) +
                        " options: the others of this block are not kept, nor those of "
                        "later blocks like it");
      return;
    }
    optionBytes_ += value.size() + sizeof(FileOption);
    if (optionBytes_ <= kMaxOptionBytes) list.push_back({code, {value.begin(), value.end()}});
  });
  if (!walked) return walked.error();
  if (optionBytes_ > kMaxOptionBytes) {
    return damage("a section whose interfaces have more than " + std::to_string(kMaxOptionBytes) + " bytes of options",
                  offset_);
  }
  return list;
}

Result<PcapngParser::PacketOptions> PcapngParser::packetOptions(const Block& block, std::uint64_t at) {
  PacketOptions found;
  options_.clear();
  auto walked = options(block, at, [&](std::uint16_t code, std::span<const std::uint8_t> value) {
    if (code == packet_option::kFlags && value.size() >= 4) found.flags = load32(value.data());
    else if (limits_.packetOptions) options_.add(code, value, swapped_);
  });
  if (!walked) return walked.error();
  found.stored = options_.bytes();
  return found;
}

Result<> PcapngParser::end(std::uint64_t left) const {
  if (begun_ && left == 0 && !trailer_) {
    if (readable_) return {};
    return damage("a pcapng file without a section of version 1.0, which alone can be read", 0, Code::FileFormat);
  }
  // If a block was being skipped, offset_ is already beyond it.
  const std::uint64_t start = trailer_ ? offset_ - (*trailer_ - 4) : offset_;
  return damage("the file ends in the middle of a block", start, Code::FileTruncated);
}

}  // namespace ringtap
