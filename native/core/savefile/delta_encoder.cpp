#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "core/savefile/delta_coding.h"
#include "core/savefile/delta_layout.h"
#include "core/util/ip_headers.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace delta {

namespace {

using savefile::EnhancedPacketBody;

constexpr std::uint8_t kTcp = 6, kUdp = 17;  // IP protocol numbers

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
  end = std::min({end, packet.size(), kMaxHeaders});
  return {static_cast<std::uint16_t>(hash >> 16), static_cast<std::uint8_t>(end)};
}

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

}  // namespace

}  // namespace delta

Result<> deltaEncode(std::span<const std::byte> section, ByteSink& out) {
  if (section.size() >= delta::kLongestSection) {
    return Error{Code::Option, "a section of 4 GiB or more cannot be encoded"};
  }
  return delta::Encoder(section).encode(out);
}

}  // namespace ringtap
