#include "core/block_writer.h"

#include <arpa/inet.h>

namespace ringtap {

namespace {

std::size_t aligned(std::size_t length) {
  return (length + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

}  // namespace

std::byte* BlockWriter::append(const PacketNote& note) {
  std::byte* record = block_ + next_;
  used_ = next_ + kRecordHeader + note.captured;
  next_ = aligned(used_ + division_.padding);
  ++packets_;

  tpacket3_hdr header{};
  header.tp_next_offset = static_cast<std::uint32_t>(block_ + next_ - record);
  header.tp_sec = static_cast<std::uint32_t>(note.timestamp / 1'000'000'000u);
  header.tp_nsec = static_cast<std::uint32_t>(note.timestamp % 1'000'000'000u);
  header.tp_snaplen = note.captured;
  header.tp_len = note.original;
  header.tp_mac = kRecordHeader;
  header.tp_net = static_cast<std::uint16_t>(kRecordHeader + note.networkOffset);
  if (note.linkType) {
    header.tp_status |= kStatusLinkType;
    header.hv1.tp_rxhash = *note.linkType;
  }
  if (note.vlan) {
    header.tp_status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
    header.hv1.tp_vlan_tci = note.vlan->tci;
    header.hv1.tp_vlan_tpid = note.vlan->protocol;
  }
  std::memcpy(record, &header, sizeof header);

  sockaddr_ll from{};
  from.sll_family = AF_PACKET;
  from.sll_protocol = htons(note.protocol);
  from.sll_ifindex = static_cast<int>(note.interface);
  from.sll_hatype = note.hardwareType;
  from.sll_pkttype = note.packetType;
  std::memcpy(record + kRecordAddress, &from, sizeof from);
  return record + kRecordHeader;
}

std::size_t BlockWriter::finish() {
  std::size_t first = kIndexStart + division_.index;
  const std::size_t needed = aligned(kIndexStart + packets_ * sizeof(std::uint32_t));
  if ((first - needed) * 4 > used_) {
    std::memmove(block_ + needed, block_ + first, used_ - first);
    used_ -= first - needed;
    first = needed;
  }
  tpacket_block_desc header{};
  header.hdr.bh1.num_pkts = packets_;
  header.hdr.bh1.offset_to_first_pkt = static_cast<std::uint32_t>(first);
  header.hdr.bh1.blk_len = static_cast<std::uint32_t>(used_);
  std::memcpy(block_, &header, sizeof header);
  return used_;
}

}  // namespace ringtap
