#include "core/savefile/pcap_parser.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "core/savefile/pseudo_header.h"
#include "core/savefile/savefile_format.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

using namespace savefile;

// Offset of the packet type (sll_pkttype) in the Kuznetsov record header.
constexpr std::size_t kKuznetsovPacketType = 22;
constexpr std::uint16_t kDgUxMajor = 543;  // of DG/UX's tcpdump, which is older than 2.3 despite the number

template <bool swapped>
std::uint32_t load32(const std::uint8_t* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return swapped ? __builtin_bswap32(value) : value;
}
std::uint32_t load32(const std::uint8_t* at, bool swapped) { return swapped ? load32<true>(at) : load32<false>(at); }
std::uint16_t load16(const std::uint8_t* at, bool swapped) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return swapped ? __builtin_bswap16(value) : value;
}

// For a fraction below 0, or of a second or more: writers stored it as a signed number to be added to the seconds.
void setTime(FilledPacket& packet, std::int32_t units, std::uint32_t nanosecondsPerUnit) {
  const std::int64_t sum = std::int64_t{packet.seconds} * 1'000'000'000 + std::int64_t{units} * nanosecondsPerUnit;
  packet.clamped = sum < 0;
  packet.timestamp = sum < 0 ? 0 : static_cast<std::uint64_t>(sum);
  packet.seconds = static_cast<std::uint32_t>(packet.timestamp / 1'000'000'000u);
  packet.nanoseconds = static_cast<std::uint32_t>(packet.timestamp % 1'000'000'000u);
}

}  // namespace

Result<> PcapParser::header(const std::uint8_t* bytes) {
  const std::uint32_t magic = load32<false>(bytes);
  swapped_ = magic == __builtin_bswap32(kMagicMicroseconds) || magic == __builtin_bswap32(kMagicNanoseconds) ||
             magic == __builtin_bswap32(kMagicKuznetsov);
  const std::uint32_t kind = load32(bytes, swapped_);
  nanoseconds_ = kind == kMagicNanoseconds;
  recordHeader_ = kind == kMagicKuznetsov ? kPcapKuznetsovRecord : kPcapRecord;
  const std::uint16_t major = load16(bytes + 4, swapped_);
  const std::uint16_t minor = load16(bytes + 6, swapped_);
  if (major == kDgUxMajor && minor == 0) {
    lengths_ = Lengths::OriginalFirst;
  } else if (major != kPcapMajor || minor > kPcapMinor) {
    return damage("a pcap file of version " + std::to_string(major) + "." + std::to_string(minor) +
                      ", where 2.0 to 2.4 can be read",
                  4, Code::FileFormat);
  } else {
    lengths_ = minor < 3 ? Lengths::OriginalFirst : minor == 3 ? Lengths::Either : Lengths::CapturedFirst;
  }
  const std::uint32_t snapshot = load32(bytes + 16, swapped_);
  const std::uint32_t network = load32(bytes + 20, swapped_);
  if ((network & kLinkTypeReserved) != 0) {
    char shown[16];
    std::snprintf(shown, sizeof shown, "0x%08x", network);
    return damage(std::string("the link type's field, ") + shown + ", has bits set that are reserved", 20,
                  Code::FileFormat);
  }
  FileInterface interface;
  interface.linkType = linkTypeOfFile(static_cast<std::uint16_t>(network & kLinkTypeMask));
  interface.snapshotLength = snapshot;
  interface.nanoseconds = nanoseconds_;
  if ((network & kFcsPresent) != 0) interface.fcsLength = static_cast<std::uint8_t>((network >> kFcsShift) * 2);
  // Many writers store a snapshot length below that of their packets, but none exceeds both it and libpcap's maximum.
  const std::size_t claimed = snapshot == 0 ? limits_.packet : std::max<std::size_t>(snapshot, 262144);
  largest_ = static_cast<std::uint32_t>(std::min(claimed, limits_.packet));

  if (auto reported =
          listener_.section({false, swapped_ == (std::endian::native == std::endian::little), major, minor, true, {}});
      !reported) {
    return reported;
  }
  const std::uint16_t hardwareType = hardwareTypeOf(interface.linkType);
  const std::uint16_t linkType = interface.linkType;
  auto rule = listener_.interface(std::move(interface));
  if (!rule) return rule.error();
  interface_ = {RecordHead(0, linkType, hardwareType), *rule, hardwareType,
                swapped_ && hasHostOrderHeader(linkType) ? linkType : std::uint16_t{0}};
  begun_ = true;
  return {};
}

template <bool swapped>
Result<ParseStep> PcapParser::records(std::span<const std::uint8_t> bytes, BlockFiller& filler, std::size_t& consumed) {
  const std::uint32_t nanosecondsPerUnit = nanoseconds_ ? 1 : 1000;
  const std::uint32_t unitsPerSecond = 1'000'000'000u / nanosecondsPerUnit;
  for (;;) {
    const std::size_t left = bytes.size() - consumed;
    if (left < recordHeader_) return ParseStep{ParseStep::Why::More, recordHeader_};
    const std::uint8_t* record = bytes.data() + consumed;
    std::uint32_t captured = load32<swapped>(record + 8);
    std::uint32_t original = load32<swapped>(record + 12);
    if (lengths_ == Lengths::OriginalFirst || (lengths_ == Lengths::Either && captured > original)) {
      std::swap(captured, original);
    }
    if (captured > largest_) {
      return damage("a packet that claims " + std::to_string(captured) + " bytes, where at most " +
                        std::to_string(largest_) + " were expected",
                    offset_);
    }
    const std::size_t whole = recordHeader_ + captured;
    if (left < whole) return ParseStep{ParseStep::Why::More, whole};
    FilledPacket packet;
    packet.data = {record + recordHeader_, captured};
    packet.original = original;
    packet.seconds = load32<swapped>(record);
    const std::uint32_t units = load32<swapped>(record + 4);
    packet.timestamp = std::uint64_t{packet.seconds} * 1'000'000'000u + std::uint64_t{units} * nanosecondsPerUnit;
    packet.nanoseconds = units * nanosecondsPerUnit;
    if (units >= unitsPerSecond) [[unlikely]]
      setTime(packet, static_cast<std::int32_t>(units), nanosecondsPerUnit);
    if (recordHeader_ == kPcapKuznetsovRecord) packet.packetType = record[kKuznetsovPacketType];
    if (!deliver(interface_, packet, filler)) return ParseStep{ParseStep::Why::Full, 0};
    consumed += whole;
    offset_ += whole;
  }
}

Result<ParseStep> PcapParser::parse(std::span<const std::uint8_t> bytes, BlockFiller& filler, std::size_t& consumed) {
  consumed = 0;
  if (!begun_) {
    if (bytes.size() < kPcapHeader) return ParseStep{ParseStep::Why::More, kPcapHeader};
    if (auto good = header(bytes.data()); !good) return good.error();
    consumed = kPcapHeader;
    offset_ = kPcapHeader;
  }
  return swapped_ ? records<true>(bytes, filler, consumed) : records<false>(bytes, filler, consumed);
}

Result<> PcapParser::end(std::uint64_t left) const {
  if (begun_ && left == 0) return {};
  const std::string what = begun_ ? "packet " + std::to_string(stats_.packets + 1) : std::string("its header");
  return damage("the file ends " + std::to_string(left) + " bytes into " + what, offset_, Code::FileTruncated);
}

}  // namespace ringtap
