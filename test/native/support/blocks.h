// Ring blocks, valid ones as the kernel fills them and malformed ones.
#pragma once

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "core/block/block.h"

namespace support {

struct MadeRecord {
  std::uint32_t index = 1;
  std::vector<std::uint8_t> bytes = {1, 2, 3, 4};
  std::uint32_t originalLength = 0;  // 0: the length of `bytes`
  std::uint8_t packetType = ringtap::kPacketHost;
  std::uint16_t hardwareType = ARPHRD_ETHER;
  std::uint32_t seconds = 1'700'000'000;
  std::uint32_t nanoseconds = 5;
};

// Exact-size heap memory, so that AddressSanitizer detects an access past the end.
class Block {
 public:
  explicit Block(std::size_t size) : size_(size), memory_(new std::uint64_t[size / 8]()) {}
  // A block as fill() produces it, sized for exactly these records and their index.
  static Block of(const std::vector<MadeRecord>& records) {
    std::size_t size = firstOf(records.size());
    for (const MadeRecord& record : records) size += lengthOf(record);
    Block block(size);
    block.fill(records);
    return block;
  }

  // The offset of the first record, behind an index of `records` entries.
  static std::uint32_t firstOf(std::size_t records) {
    return static_cast<std::uint32_t>(ringtap::kIndexStart + (records * 4 + 7) / 8 * 8);
  }
  static std::uint32_t lengthOf(const MadeRecord& record) {
    return static_cast<std::uint32_t>((ringtap::kRecordHeader + record.bytes.size() + 7) / 8 * 8);
  }

  void fill(const std::vector<MadeRecord>& records) {
    const std::uint32_t first = firstOf(records.size());
    std::uint32_t offset = first;
    offsets_.clear();
    for (const MadeRecord& made : records) {
      auto& header = *reinterpret_cast<ringtap::RecordHeader*>(data() + offset);
      header.tp_next_offset =
          &made == &records.back() ? 0 : lengthOf(made);  // prb_close_block() sets 0 in the last record
      header.tp_sec = made.seconds;
      header.tp_nsec = made.nanoseconds;
      header.tp_snaplen = static_cast<std::uint32_t>(made.bytes.size());
      header.tp_len = made.originalLength != 0 ? made.originalLength : header.tp_snaplen;
      header.tp_mac = ringtap::kRecordHeader;
      header.tp_net = static_cast<std::uint16_t>(header.tp_mac + 14);
      auto& from = *reinterpret_cast<ringtap::RecordAddress*>(data() + offset + ringtap::kRecordAddress);
      from.sll_family = AF_PACKET;
      from.sll_ifindex = static_cast<int>(made.index);
      from.sll_pkttype = made.packetType;
      from.sll_hatype = made.hardwareType;
      from.sll_protocol = htons(0x0800);
      if (!made.bytes.empty()) std::memcpy(data() + offset + header.tp_mac, made.bytes.data(), made.bytes.size());
      offsets_.push_back(offset);
      offset += lengthOf(made);
    }
    auto& description = head();
    description.num_pkts = static_cast<std::uint32_t>(records.size());
    description.offset_to_first_pkt = first;
    description.blk_len = offset;
    description.block_status = ringtap::kStatusUser;
  }

  [[nodiscard]] std::byte* data() { return reinterpret_cast<std::byte*>(memory_.get()); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] ringtap::BlockHeader& head() { return *reinterpret_cast<ringtap::BlockHeader*>(data()); }
  [[nodiscard]] std::uint32_t offset(std::size_t record) const { return offsets_[record]; }
  [[nodiscard]] ringtap::RecordHeader& record(std::size_t number) {
    return *reinterpret_cast<ringtap::RecordHeader*>(data() + offsets_[number]);
  }

 private:
  std::size_t size_;
  std::unique_ptr<std::uint64_t[]> memory_;
  std::vector<std::uint32_t> offsets_;
};

}  // namespace support
