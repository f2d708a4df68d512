// Writes packets one after another as the records and the index of a block (block.h), for sources other than a packet
// socket's ring.
#pragma once

#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "core/block/block.h"

namespace ringtap {

// The part of a record that all packets of one interface share.
struct RecordHead {
  alignas(8) std::byte bytes[kRecordHeader] = {};

  RecordHead() = default;
  // `linkType`: set if it cannot be derived from the hardware type. `networkOffset`: of the network header in the
  // packet.
  RecordHead(std::uint32_t interface, std::optional<std::uint16_t> linkType, std::uint16_t hardwareType,
             std::uint16_t networkOffset = 0) {
    RecordHeader header{};
    header.tp_mac = kRecordHeader;
    header.tp_net = static_cast<std::uint16_t>(kRecordHeader + networkOffset);
    if (linkType) {
      header.tp_status = kStatusLinkType;
      header.tp_rxhash = *linkType;
    }
    RecordAddress from{};
    from.sll_family = kPacketFamily;
    from.sll_ifindex = static_cast<int>(interface);
    from.sll_hatype = hardwareType;
    std::memcpy(bytes, &header, sizeof header);
    std::memcpy(bytes + kRecordAddress, &from, sizeof from);
  }

  // Sets the EtherType of subsequent packets; 0: unknown.
  void setProtocol(std::uint16_t protocol) {
    const std::uint16_t stored = htons(protocol);
    std::memcpy(bytes + kRecordAddress + offsetof(RecordAddress, sll_protocol), &stored, sizeof stored);
  }
  // Subsequent packets have the time of the system clock, as those of a packet socket's ring (kStatusTimeSoftware).
  void setSystemTime() {
    RecordHeader header;
    std::memcpy(&header, bytes, sizeof header);
    header.tp_status |= kStatusTimeSoftware;
    std::memcpy(bytes, &header, sizeof header);
  }
  struct Tag {
    std::uint16_t tci;
    std::uint16_t protocol;
  };
  // Sets the VLAN tag of subsequent packets, if it is not in their bytes.
  void setTag(std::optional<Tag> tag) {
    RecordHeader header;
    std::memcpy(&header, bytes, sizeof header);
    constexpr std::uint32_t valid = kStatusVlanValid | kStatusVlanTpidValid;
    header.tp_status = tag ? header.tp_status | valid : header.tp_status & ~valid;
    header.tp_vlan_tci = tag ? tag->tci : 0;
    header.tp_vlan_tpid = tag ? tag->protocol : 0;
    std::memcpy(bytes, &header, sizeof header);
  }
};

struct FilledPacket {
  std::span<const std::uint8_t> data;
  std::uint32_t original = 0;
  std::uint32_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  std::uint64_t timestamp = 0;  // seconds and nanoseconds as one number of nanoseconds since 1970
  bool clamped = false;         // the source's time exceeded the range of `timestamp`
  std::uint8_t packetType = kPacketUnknown;
  // In the layout described at kStatusOptions; empty: none.
  std::span<const std::uint8_t> options = {};
};

// Does not own the memory. Default-constructed, it has no room.
class BlockFiller {
 public:
  BlockFiller() = default;
  // `memory`: `size` bytes, at most kLargestBlock, both multiples of 8.
  BlockFiller(std::byte* memory, std::size_t size) : memory_(memory), size_(size), at_(firstRecord(size)) {}

  // The longest packet, options included, that fits into a block of that size.
  static constexpr std::size_t capacity(std::size_t size) { return size - firstRecord(size) - kRecordHeader - 8; }

  [[nodiscard]] const BlockSummary& summary() const { return summary_; }
  [[nodiscard]] bool empty() const { return summary_.packets == 0; }

  // Returns false and writes nothing if there is no room.
  [[nodiscard]] bool add(const RecordHead& head, const FilledPacket& packet) {
    std::byte* data = place(head, packet, packet.data.size());
    if (data == nullptr) return false;
    if (!packet.data.empty()) std::memcpy(data, packet.data.data(), packet.data.size());
    return true;
  }
  // As above, for a packet in two pieces.
  [[nodiscard]] bool add(const RecordHead& head, const FilledPacket& packet, std::span<const std::uint8_t> tail) {
    std::byte* data = place(head, packet, packet.data.size() + tail.size());
    if (data == nullptr) return false;
    if (!packet.data.empty()) std::memcpy(data, packet.data.data(), packet.data.size());
    if (!tail.empty()) std::memcpy(data + packet.data.size(), tail.data(), tail.size());
    return true;
  }

  // Completes the block for walkBlock(): writes its header and the chain of its records. Moves the records up if much
  // of the index is unused. Returns the number of bytes in use. Call it last.
  std::size_t seal();

 private:
  // Writes a record without its bytes and returns where they go; nullptr if there is no room.
  [[nodiscard]] std::byte* place(const RecordHead& head, const FilledPacket& packet, std::size_t captured) {
    const std::size_t options = packet.options.size();
    std::size_t end = at_ + kRecordHeader + captured;
    if (options > 0) end = (end + 3) / 4 * 4 + options;
    const std::size_t entry = kIndexStart + std::size_t{summary_.packets} * sizeof(std::uint32_t);
    if (end > size_ || entry + sizeof(std::uint32_t) > firstRecord(size_)) return nullptr;
    std::byte* record = memory_ + at_;
    std::memcpy(record, head.bytes, kRecordHeader);
    const auto length = static_cast<std::uint32_t>(captured);
    put(record, offsetof(RecordHeader, tp_sec), packet.seconds);
    put(record, offsetof(RecordHeader, tp_nsec), packet.nanoseconds);
    put(record, offsetof(RecordHeader, tp_snaplen), length);
    put(record, offsetof(RecordHeader, tp_len), packet.original);
    put(record, kRecordTimestamp, packet.timestamp);
    put(record, kRecordAddress + offsetof(RecordAddress, sll_pkttype), packet.packetType);
    if (options > 0) {
      std::memcpy(memory_ + end - options, packet.options.data(), options);
      put(record, offsetof(RecordHeader, tp_status), kStatusLinkType | kStatusOptions);
    }
    const std::uint32_t written = indexEntry(static_cast<std::uint32_t>(at_), length);
    std::memcpy(memory_ + entry, &written, sizeof written);
    if (summary_.packets++ == 0) summary_.firstTimestamp = packet.timestamp;
    summary_.lastTimestamp = packet.timestamp;
    summary_.bytes += captured;
    summary_.length = static_cast<std::uint32_t>(end);
    at_ = (end + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
    return record + kRecordHeader;
  }

  // The offset of the first record: the index before it has an entry for as many of the smallest packets as fit.
  static constexpr std::size_t firstRecord(std::size_t size) {
    constexpr std::size_t smallest = (kRecordHeader + 1 + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
    return kIndexStart + ((size - kIndexStart) / (smallest + 4) * 4 + 11) / 8 * 8;
  }
  template <typename T>
  static void put(std::byte* record, std::size_t offset, T value) {
    std::memcpy(record + offset, &value, sizeof value);
  }

  std::byte* memory_ = nullptr;
  std::size_t size_ = kIndexStart;
  std::size_t at_ = kIndexStart + 1;
  BlockSummary summary_;
};

}  // namespace ringtap
