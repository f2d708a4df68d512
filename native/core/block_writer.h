// Fills a block with records of the layout that block.h walks, for sources whose packets do not come in a ring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/block.h"

namespace ringtap {

// What a record says of its packet.
struct PacketNote {
  std::uint64_t timestamp = 0;  // ns since the epoch
  std::uint32_t interface = 0;
  std::uint16_t hardwareType = 0;              // ARPHRD_*
  std::optional<std::uint16_t> linkType = {};  // LINKTYPE_*, where it does not follow from the hardware type
  std::uint16_t protocol = 0;                  // EtherType, 0 where not known
  std::uint16_t networkOffset = 0;             // of the network header in the packet
  std::uint8_t packetType = kPacketUnknown;    // PACKET_*, or block.h's
  std::uint32_t captured = 0;                  // bytes
  std::uint32_t original = 0;
  struct Tag {
    std::uint16_t tci;
    std::uint16_t protocol;
  };
  std::optional<Tag> vlan = {};  // a tag that is not in the bytes
};

class BlockWriter {
 public:
  // Over `size` bytes, aligned to 8, which must outlive the writer. kLargestBlock at most.
  BlockWriter(std::byte* block, std::size_t size)
      : block_(block), size_(size), division_(divide(size)), next_(kIndexStart + division_.index), used_(next_) {}

  [[nodiscard]] std::uint32_t packets() const { return packets_; }
  [[nodiscard]] bool fits(std::uint32_t captured) const {
    return next_ <= size_ && size_ - next_ >= kRecordHeader + std::size_t{captured};
  }
  // Appends a record and returns where its `captured` bytes go. Only where it fits.
  [[nodiscard]] std::byte* append(const PacketNote& note);
  // Writes the block's header, and returns how many bytes are in use. Where much of the index has nothing to hold, the
  // records move up.
  std::size_t finish();

 private:
  std::byte* block_;
  std::size_t size_;
  BlockDivision division_;
  std::size_t next_;  // where the next record goes
  std::size_t used_;
  std::uint32_t packets_ = 0;
};

}  // namespace ringtap
