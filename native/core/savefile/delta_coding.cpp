#include "core/savefile/delta_coding.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "core/savefile/savefile_format.h"
#include "core/util/byte_order.h"
#include "core/util/ip_headers.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace delta {

namespace {

using savefile::EnhancedPacketBody;

constexpr std::size_t kSlots = std::size_t{1} << 16;  // of flows, by a hash of 16 bits
constexpr std::size_t kMostHeaders = 128;             // bytes of a packet that are stored as differences
constexpr std::size_t kLongestSection = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kPacketData = savefile::kEnhancedPacketData;
constexpr std::uint8_t kTcp = 6, kUdp = 17;  // IP protocol numbers

// One byte for each block: whether it is a packet in the form below, and then what else is stored of it.
namespace mark {
constexpr std::uint8_t kPacket = 1;
constexpr std::uint8_t kLengths = 2;  // they differ from those of the packet that it is compared with
constexpr std::uint8_t kOrigin = 4;   // so do the interface or the options
constexpr std::uint8_t kFarTime = 8;  // the difference of the times does not fit in 32 bits
}  // namespace mark

// The parts of the result, in this order. Numbers of several bytes are stored by the place of the byte in the number.
struct Counts {
  std::uint32_t blocks = 0;   // marks
  std::uint32_t packets = 0;  // slots: 2 bytes; near times: 4; length of the headers: 1
  std::uint32_t lengths = 0;  // captured and original length: 8
  std::uint32_t headers = 0;  // bytes of all headers
  std::uint32_t apart = 0;    // bytes stored as they are: other blocks, origins, far times
  std::uint32_t payload = 0;  // bytes behind the headers
  std::uint32_t rest = 0;     // bytes behind the last block

  [[nodiscard]] std::uint64_t size() const {
    return sizeof *this + std::uint64_t{blocks} + std::uint64_t{packets} * 7 + std::uint64_t{lengths} * 8 + headers +
           apart + payload + rest;
  }
};

// Reads and writes the columns of numbers of `count` elements of `width` bytes each.
template <typename Byte>
struct Columns {
  Byte* at;
  std::size_t count;

  void put(std::size_t index, std::uint32_t value, int width) const {
    for (int i = 0; i < width; ++i) at[static_cast<std::size_t>(i) * count + index] = static_cast<Byte>(value >> 8 * i);
  }
  [[nodiscard]] std::uint32_t get(std::size_t index, int width) const {
    std::uint32_t value = 0;
    for (int i = 0; i < width; ++i) {
      value |= std::uint32_t{static_cast<std::uint8_t>(at[static_cast<std::size_t>(i) * count + index])} << 8 * i;
    }
    return value;
  }
};

template <typename Byte>
struct Parts {
  explicit Parts(Byte* at, const Counts& counts)
      : marks(at + sizeof counts),
        slots{marks + counts.blocks, counts.packets},
        times{slots.at + std::size_t{2} * counts.packets, counts.packets},
        headerLengths(times.at + std::size_t{4} * counts.packets),
        captured{headerLengths + counts.packets, counts.lengths},
        original{captured.at + std::size_t{4} * counts.lengths, counts.lengths},
        headers(original.at + std::size_t{4} * counts.lengths),
        apart(headers + counts.headers),
        payload(apart + counts.apart),
        rest(payload + counts.payload) {}

  Byte* marks;
  Columns<Byte> slots, times;
  Byte* headerLengths;
  Columns<Byte> captured, original;
  Byte* headers;
  Byte* apart;
  Byte* payload;
  Byte* rest;
};

template <typename T>
T read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// A block within a section.
struct Block {
  const std::byte* at;
  std::uint32_t length;

  [[nodiscard]] std::uint32_t type() const { return read<std::uint32_t>(at); }
  [[nodiscard]] EnhancedPacketBody body() const { return read<EnhancedPacketBody>(at + 8); }
  [[nodiscard]] const std::byte* data() const { return at + kPacketData; }
};

[[nodiscard]] std::uint64_t timeOf(const EnhancedPacketBody& body) {
  return std::uint64_t{body.timeHigh} << 32 | body.timeLow;
}

// Where the options begin in the block of a packet with so many bytes.
[[nodiscard]] std::size_t optionsAt(std::uint32_t captured) { return kPacketData + savefile::padded(captured); }

[[nodiscard]] std::span<const std::byte> optionsOf(const Block& block, std::uint32_t captured) {
  return {block.at + optionsAt(captured), block.length - 4 - optionsAt(captured)};
}

// nullopt behind the last one.
std::optional<Block> blockAt(std::span<const std::byte> section, std::size_t offset) {
  const std::size_t left = section.size() - offset;
  if (left < savefile::kBlockEnvelope) return std::nullopt;
  const std::byte* at = section.data() + offset;
  const auto length = read<std::uint32_t>(at + 4);
  if (length < savefile::kBlockEnvelope || length % 4 != 0 || length > left) return std::nullopt;
  if (read<std::uint32_t>(at + length - 4) != length) return std::nullopt;
  return Block{at, length};
}

[[nodiscard]] bool isPacket(const Block& block) {
  if (block.type() != savefile::kEnhancedPacket || block.length < savefile::kEnhancedPacketFixed) return false;
  const std::uint32_t captured = block.body().captured;
  if (captured > block.length - savefile::kEnhancedPacketFixed) return false;
  if (optionsAt(captured) + 4 > block.length) return false;
  const std::byte* padding = block.data() + captured;
  return std::all_of(padding, block.at + optionsAt(captured), [](std::byte each) { return each == std::byte{0}; });
}

// The packets that the next ones are compared with: the last one of each slot, or else the last one.
class Previous {
 public:
  [[nodiscard]] bool allocate() {
    slots_.reset(new (std::nothrow) std::uint32_t[kSlots]());
    return slots_ != nullptr;
  }
  void clear() {
    std::fill_n(slots_.get(), kSlots, 0);
    last_ = 0;
  }
  // Null: there is none.
  [[nodiscard]] const std::byte* find(std::span<const std::byte> section, std::uint32_t slot) const {
    const std::uint32_t found = slots_[slot] != 0 ? slots_[slot] : last_;
    return found == 0 ? nullptr : section.data() + (found - 1);
  }
  void add(std::uint32_t slot, std::size_t offset) {
    last_ = static_cast<std::uint32_t>(offset + 1);
    slots_[slot] = last_;
  }

 private:
  std::unique_ptr<std::uint32_t[]> slots_;  // offset of the block, and one more
  std::uint32_t last_ = 0;
};

struct FlowHeaders {
  std::uint16_t slot = 0;
  std::uint8_t length = 0;  // of all headers; 0: not IP, or a later fragment
};

[[nodiscard]] std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e37'79b9'7f4a'7c15u;
  return hash ^ hash >> 32;
}

// The flow of one direction that a packet belongs to, and how long its headers are.
FlowHeaders flowHeaders(std::uint16_t linkType, std::uint32_t interface, std::span<const std::uint8_t> packet) {
  const auto found = ipHeaders(linkType, packet);
  if (!found) return {static_cast<std::uint16_t>(mix(interface, linkType)), 0};
  std::uint64_t hash = mix(interface, found->protocol);
  const std::uint8_t* addresses = packet.data() + found->source();
  for (std::size_t i = 0; i < 2 * found->addressLength(); i += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, addresses + i, sizeof eight);
    hash = mix(hash, eight);
  }
  const std::size_t at = found->transport;
  std::size_t end = at;
  if (at + 8 <= packet.size() && (found->protocol == kTcp || found->protocol == kUdp)) {
    std::uint32_t ports;
    std::memcpy(&ports, packet.data() + at, sizeof ports);
    hash = mix(hash, ports);
    const bool whole = found->protocol == kTcp && at + 20 <= packet.size();
    end += whole ? std::max<std::size_t>(20, std::size_t{4} * (packet[at + 12] >> 4)) : 8;
  }
  end = std::min({end, packet.size(), kMostHeaders});
  return {static_cast<std::uint16_t>(hash >> 16), static_cast<std::uint8_t>(end)};
}

Error noMemory() { return {Code::System, "no memory to encode packets", ENOMEM, "malloc"}; }

// How often each offset occurs in the headers of a section, and where its column begins.
class HeaderColumns {
 public:
  void count(std::size_t headerLength) { ++lengths_[headerLength]; }
  void begin() {
    std::uint64_t packets = 0;  // with a longer header
    for (std::size_t i = kMostHeaders; i > 0; --i) next_[i - 1] = packets += lengths_[i];
    for (std::uint64_t& next : next_) bytes_ += std::exchange(next, bytes_);
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Where the byte at offset `i` of the next header is.
  [[nodiscard]] std::uint64_t next(std::size_t i) { return next_[i]++; }

 private:
  std::array<std::uint32_t, kMostHeaders + 1> lengths_{};
  std::array<std::uint64_t, kMostHeaders> next_{};
  std::uint64_t bytes_ = 0;
};

class Encoder {
 public:
  explicit Encoder(std::span<const std::byte> section) : section_(section) {}

  Result<> encode(ByteSink& out) {
    if (!previous_.allocate()) return noMemory();
    countBlocks();
    out.clear();
    if (!scratch_.reserve(counts_.blocks + std::size_t{3} * counts_.packets)) return noMemory();
    marks_ = reinterpret_cast<std::uint8_t*>(scratch_.grow(counts_.blocks));
    flows_ = reinterpret_cast<std::uint8_t*>(scratch_.grow(std::size_t{3} * counts_.packets));
    compare();
    if (!out.reserve(counts_.size())) return noMemory();
    std::byte* at = out.grow(counts_.size());
    std::memcpy(at, &counts_, sizeof counts_);
    write(Parts<std::byte>(at, counts_));
    return {};
  }

 private:
  template <typename Visit>  // gets the block and its offset
  void forEachBlock(const Visit& visit) {
    std::size_t offset = 0;
    for (auto block = blockAt(section_, 0); block; block = blockAt(section_, offset)) {
      visit(*block, offset);
      offset += block->length;
    }
    counts_.rest = static_cast<std::uint32_t>(section_.size() - offset);
  }

  void countBlocks() {
    forEachBlock([&](const Block& block, std::size_t) {
      ++counts_.blocks;
      counts_.packets += isPacket(block) ? 1 : 0;
    });
  }

  // Decides how each block is stored.
  void compare() {
    std::uint8_t* mark = marks_;
    std::uint8_t* flow = flows_;
    std::uint64_t time = 0;
    forEachBlock([&](const Block& block, std::size_t offset) {
      if (!isPacket(block)) {
        if (block.type() == savefile::kInterfaceDescription && block.length >= savefile::kInterfaceDescriptionFixed) {
          linkTypes_.push_back(read<std::uint16_t>(block.at + 8));
        }
        *mark++ = 0;
        counts_.apart += block.length;
        return;
      }
      const EnhancedPacketBody body = block.body();
      const std::uint16_t linkType = body.interface < linkTypes_.size() ? linkTypes_[body.interface] : kLinkTypeUnknown;
      const FlowHeaders headers =
          flowHeaders(linkType, body.interface, {reinterpret_cast<const std::uint8_t*>(block.data()), body.captured});
      *mark++ = static_cast<std::uint8_t>(mark::kPacket | differences(block, body, headers.slot, time));
      time = timeOf(body);
      std::memcpy(flow, &headers.slot, sizeof headers.slot);
      flow[2] = headers.length;
      flow += 3;
      columns_.count(headers.length);
      counts_.payload += body.captured - headers.length;
      previous_.add(headers.slot, offset);
    });
    columns_.begin();
    counts_.headers = static_cast<std::uint32_t>(columns_.bytes());
    previous_.clear();
  }

  // Marks what is stored of the block of a packet, and counts it.
  std::uint8_t differences(const Block& block, const EnhancedPacketBody& body, std::uint16_t slot, std::uint64_t time) {
    std::uint8_t marks = 0;
    if (static_cast<std::uint64_t>(timeOf(body) - time + 0x8000'0000u) >> 32 != 0) {
      marks |= mark::kFarTime;
      counts_.apart += sizeof time;
    }
    const std::byte* before = previous_.find(section_, slot);
    const auto options = optionsOf(block, body.captured);
    bool sameLengths = false, sameOrigin = false;
    if (before != nullptr) {
      const Block other{before, read<std::uint32_t>(before + 4)};
      const EnhancedPacketBody that = other.body();
      const auto thoseOptions = optionsOf(other, that.captured);
      sameLengths = that.captured == body.captured && that.original == body.original;
      sameOrigin = that.interface == body.interface &&
                   std::equal(options.begin(), options.end(), thoseOptions.begin(), thoseOptions.end());
    }
    if (!sameLengths) {
      marks |= mark::kLengths;
      ++counts_.lengths;
    }
    if (!sameOrigin) {
      marks |= mark::kOrigin;
      counts_.apart += 8 + static_cast<std::uint32_t>(options.size());
    }
    return marks;
  }

  void write(Parts<std::byte> to) {
    if (counts_.blocks > 0) std::memcpy(to.marks, marks_, counts_.blocks);
    const auto apart = [&to](const void* bytes, std::size_t length) {
      if (length > 0) std::memcpy(to.apart, bytes, length);
      to.apart += length;
    };
    const std::uint8_t* mark = marks_;
    const std::uint8_t* flow = flows_;
    std::size_t packet = 0, lengths = 0;
    std::uint64_t time = 0;
    forEachBlock([&](const Block& block, std::size_t offset) {
      const std::uint8_t marks = *mark++;
      if (marks == 0) return apart(block.at, block.length);
      const EnhancedPacketBody body = block.body();
      std::uint16_t slot;
      std::memcpy(&slot, flow, sizeof slot);
      const std::uint8_t headers = flow[2];
      flow += 3;
      to.slots.put(packet, slot, 2);
      to.times.put(packet, static_cast<std::uint32_t>(timeOf(body) - time), 4);
      time = timeOf(body);
      if ((marks & mark::kFarTime) != 0) apart(&time, sizeof time);
      to.headerLengths[packet++] = std::byte{headers};
      if ((marks & mark::kLengths) != 0) {
        to.captured.put(lengths, body.captured, 4);
        to.original.put(lengths++, body.original, 4);
      }
      if ((marks & mark::kOrigin) != 0) {
        const auto options = optionsOf(block, body.captured);
        const std::uint32_t origin[] = {body.interface, static_cast<std::uint32_t>(options.size())};
        apart(origin, sizeof origin);
        apart(options.data(), options.size());
      }
      putHeaders(block, previous_.find(section_, slot), headers, to.headers);
      const std::size_t payload = body.captured - headers;
      if (payload > 0) std::memcpy(to.payload, block.data() + headers, payload);
      to.payload += payload;
      previous_.add(slot, offset);
    });
    if (counts_.rest > 0) std::memcpy(to.rest, section_.data() + section_.size() - counts_.rest, counts_.rest);
  }

  void putHeaders(const Block& block, const std::byte* before, std::size_t length, std::byte* to) {
    const std::byte* data = block.data();
    const std::size_t known = before == nullptr ? 0 : read<EnhancedPacketBody>(before + 8).captured;
    const std::size_t compared = std::min(length, known);
    const std::byte* other = before == nullptr ? nullptr : before + kPacketData;
    for (std::size_t i = 0; i < compared; ++i) {
      to[columns_.next(i)] = static_cast<std::byte>(static_cast<unsigned>(data[i]) - static_cast<unsigned>(other[i]));
    }
    for (std::size_t i = compared; i < length; ++i) to[columns_.next(i)] = data[i];
  }

  const std::span<const std::byte> section_;
  Counts counts_;
  ByteSink scratch_;
  std::uint8_t* marks_ = nullptr;  // in scratch_
  std::uint8_t* flows_ = nullptr;  // likewise: slot and header length of each packet
  std::vector<std::uint16_t> linkTypes_;
  HeaderColumns columns_;
  Previous previous_;
};

Error damaged() { return {Code::FileDamaged, "the packets in memory are damaged"}; }

class Decoder {
 public:
  Decoder(std::span<const std::byte> encoded, std::span<std::byte> section) : encoded_(encoded), section_(section) {}

  Result<> decode() {
    if (encoded_.size() < sizeof counts_ || section_.size() >= kLongestSection) return damaged();
    std::memcpy(&counts_, encoded_.data(), sizeof counts_);
    if (counts_.size() != encoded_.size() || counts_.packets > counts_.blocks) return damaged();
    if (!previous_.allocate()) return noMemory();
    Parts<const std::byte> from(encoded_.data(), counts_);
    for (std::size_t i = 0; i < counts_.packets; ++i) {
      const auto length = static_cast<std::size_t>(from.headerLengths[i]);
      if (length > kMostHeaders) return damaged();
      columns_.count(length);
    }
    columns_.begin();
    if (columns_.bytes() != counts_.headers) return damaged();
    for (std::uint32_t i = 0; i < counts_.blocks; ++i) {
      const auto marks = static_cast<std::uint8_t>(from.marks[i]);
      if (!(marks == 0 ? takeBlock(from) : takePacket(from, marks))) return damaged();
    }
    const std::size_t rest = section_.size() - offset_;
    if (rest != counts_.rest || apart_ != counts_.apart || payload_ != counts_.payload) return damaged();
    if (packet_ != counts_.packets || lengths_ != counts_.lengths) return damaged();
    if (rest > 0) std::memcpy(section_.data() + offset_, from.rest, rest);
    return {};
  }

 private:
  // Takes bytes that were stored as they are. Null: there are not so many.
  const std::byte* takeApart(const Parts<const std::byte>& from, std::size_t length) {
    if (length > counts_.apart - apart_) return nullptr;
    const std::byte* at = from.apart + apart_;
    apart_ += length;
    return at;
  }

  bool takeBlock(const Parts<const std::byte>& from) {
    const std::byte* head = takeApart(from, 8);
    if (head == nullptr) return false;
    const auto length = read<std::uint32_t>(head + 4);
    if (length < 8 || takeApart(from, length - 8) == nullptr || length > section_.size() - offset_) return false;
    std::memcpy(section_.data() + offset_, head, length);
    offset_ += length;
    return true;
  }

  bool takePacket(const Parts<const std::byte>& from, std::uint8_t marks) {
    if (packet_ == counts_.packets) return false;
    const std::uint32_t slot = from.slots.get(packet_, 2);
    const std::byte* before = previous_.find(section_, slot);
    if (before == nullptr && ((marks & mark::kLengths) == 0 || (marks & mark::kOrigin) == 0)) return false;
    const auto headers = static_cast<std::size_t>(from.headerLengths[packet_]);
    // The difference is one of 32 bits with a sign.
    time_ += static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(from.times.get(packet_, 4))});
    ++packet_;
    if ((marks & mark::kFarTime) != 0) {
      const std::byte* far = takeApart(from, sizeof time_);
      if (far == nullptr) return false;
      time_ = read<std::uint64_t>(far);
    }
    EnhancedPacketBody body{};
    std::span<const std::byte> options;
    if (before != nullptr) {
      const Block other{before, read<std::uint32_t>(before + 4)};
      body = other.body();
      options = optionsOf(other, body.captured);
    }
    const std::size_t known = before == nullptr ? 0 : body.captured;
    if ((marks & mark::kLengths) != 0) {
      if (lengths_ == counts_.lengths) return false;
      body.captured = from.captured.get(lengths_, 4);
      body.original = from.original.get(lengths_++, 4);
    }
    if ((marks & mark::kOrigin) != 0) {
      const std::byte* origin = takeApart(from, 8);
      if (origin == nullptr) return false;
      body.interface = read<std::uint32_t>(origin);
      const auto length = read<std::uint32_t>(origin + 4);
      const std::byte* bytes = takeApart(from, length);
      if (bytes == nullptr) return false;
      options = {bytes, length};
    }
    body.timeHigh = static_cast<std::uint32_t>(time_ >> 32);
    body.timeLow = static_cast<std::uint32_t>(time_);
    if (body.captured < headers || body.captured - headers > counts_.payload - payload_) return false;
    const std::uint64_t whole = std::uint64_t{optionsAt(body.captured)} + options.size() + 4;
    if (whole > section_.size() - offset_) return false;
    putPacket(from, body, options, headers, before == nullptr ? nullptr : before + kPacketData, known);
    previous_.add(slot, offset_);
    offset_ += whole;
    return true;
  }

  void putPacket(const Parts<const std::byte>& from, const EnhancedPacketBody& body, std::span<const std::byte> options,
                 std::size_t headers, const std::byte* other, std::size_t known) {
    std::byte* at = section_.data() + offset_;
    const std::size_t behind = optionsAt(body.captured);
    const auto length = static_cast<std::uint32_t>(behind + options.size() + 4);
    const std::uint32_t head[] = {savefile::kEnhancedPacket, length};
    std::memcpy(at, head, sizeof head);
    std::memcpy(at + sizeof head, &body, sizeof body);
    std::byte* data = at + kPacketData;
    const std::size_t compared = std::min(headers, known);
    for (std::size_t i = 0; i < compared; ++i) {
      data[i] = static_cast<std::byte>(static_cast<unsigned>(from.headers[columns_.next(i)]) +
                                       static_cast<unsigned>(other[i]));
    }
    for (std::size_t i = compared; i < headers; ++i) data[i] = from.headers[columns_.next(i)];
    const std::size_t payload = body.captured - headers;
    if (payload > 0) std::memcpy(data + headers, from.payload + payload_, payload);
    payload_ += payload;
    std::fill(data + body.captured, at + behind, std::byte{0});
    if (!options.empty()) std::memcpy(at + behind, options.data(), options.size());
    std::memcpy(at + behind + options.size(), &length, sizeof length);
  }

  const std::span<const std::byte> encoded_;
  const std::span<std::byte> section_;
  Counts counts_;
  HeaderColumns columns_;
  Previous previous_;
  std::uint64_t time_ = 0;
  std::size_t offset_ = 0;  // in the section
  std::size_t packet_ = 0, lengths_ = 0, apart_ = 0, payload_ = 0;
};

}  // namespace

}  // namespace delta

Result<> deltaEncode(std::span<const std::byte> section, ByteSink& out) {
  if (section.size() >= delta::kLongestSection) {
    return Error{Code::Option, "a section of 4 GiB or more cannot be encoded"};
  }
  return delta::Encoder(section).encode(out);
}

Result<> deltaDecode(std::span<const std::byte> encoded, std::span<std::byte> section) {
  return delta::Decoder(encoded, section).decode();
}

}  // namespace ringtap
