// The form of a section that delta_coding.h describes, and what its encoder and its decoder have in common.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "core/savefile/savefile_format.h"
#include "core/util/result.h"

namespace ringtap::delta {

inline constexpr std::size_t kSlots = std::size_t{1} << 16;  // of flows, by a hash of 16 bits
inline constexpr std::size_t kMaxHeaders = 128;              // bytes of a packet that are stored as differences
inline constexpr std::size_t kLongestSection = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::size_t kPacketData = savefile::kEnhancedPacketData;

// One byte for each block: whether it is a packet in the form below, and then what else is stored of it.
namespace mark {
inline constexpr std::uint8_t kPacket = 1;
inline constexpr std::uint8_t kLengths = 2;  // they differ from those of the packet that it is compared with
inline constexpr std::uint8_t kOrigin = 4;   // so do the interface or the options
inline constexpr std::uint8_t kFarTime = 8;  // the difference of the times does not fit in 32 bits
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
  [[nodiscard]] savefile::EnhancedPacketBody body() const { return read<savefile::EnhancedPacketBody>(at + 8); }
  [[nodiscard]] const std::byte* data() const { return at + kPacketData; }
};

[[nodiscard]] inline std::uint64_t timeOf(const savefile::EnhancedPacketBody& body) {
  return std::uint64_t{body.timeHigh} << 32 | body.timeLow;
}

// Where the options begin in the block of a packet with so many bytes.
[[nodiscard]] inline std::size_t optionsAt(std::uint32_t captured) { return kPacketData + savefile::padded(captured); }

[[nodiscard]] inline std::span<const std::byte> optionsOf(const Block& block, std::uint32_t captured) {
  return {block.at + optionsAt(captured), block.length - 4 - optionsAt(captured)};
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

// How often each offset occurs in the headers of a section, and where its column begins.
class HeaderColumns {
 public:
  void count(std::size_t headerLength) { ++lengths_[headerLength]; }
  void begin() {
    std::uint64_t packets = 0;  // with a longer header
    for (std::size_t i = kMaxHeaders; i > 0; --i) next_[i - 1] = packets += lengths_[i];
    for (std::uint64_t& next : next_) bytes_ += std::exchange(next, bytes_);
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Where the byte at offset `i` of the next header is.
  [[nodiscard]] std::uint64_t next(std::size_t i) { return next_[i]++; }

 private:
  std::array<std::uint32_t, kMaxHeaders + 1> lengths_{};
  std::array<std::uint64_t, kMaxHeaders> next_{};
  std::uint64_t bytes_ = 0;
};

[[nodiscard]] inline Error noMemory() {
  return {Code::System, "no memory for the differences of packets", ENOMEM, "malloc"};
}

}  // namespace ringtap::delta
