// Converts a record of a block to a frame to be sent.
#pragma once

#include "core/block/block.h"
#include "core/send/injector.h"
#include "core/util/link_type.h"

namespace ringtap {

// Whether packets of link type `packets` can be sent by a device of link type `device` (LINKTYPE_ values).
[[nodiscard]] constexpr bool linkTypeFits(std::uint16_t packets, std::uint16_t device) {
  if (packets == device) return true;
  return device == kLinkTypeRaw && (packets == kLinkTypeIpv4 || packets == kLinkTypeIpv6);
}

// The frame refers to the bytes in the block. `device`: the link type of the outgoing interface.
[[nodiscard]] inline Frame frameOf(const Record& record, std::uint16_t device) {
  const RecordHeader& header = *record.header;
  Frame frame;
  frame.data = reinterpret_cast<const std::byte*>(record.data());
  frame.length = header.tp_snaplen;
  frame.captured = true;
  frame.checksumPending = (header.tp_status & kStatusChecksumNotReady) != 0;
  const std::uint16_t packets = record.ownLinkType().value_or(linkTypeOf(record.from().sll_hatype));
  if (!linkTypeFits(packets, device)) frame.refusal = Refusal::LinkType;
  else if (record.truncated()) frame.refusal = Refusal::Truncated;
  if ((header.tp_status & kStatusVlanValid) != 0) {
    const std::uint32_t type = (header.tp_status & kStatusVlanTpidValid) != 0 ? header.tp_vlan_tpid : 0x8100;
    frame.tag = type << 16 | (header.tp_vlan_tci & 0xffff);
  }
  return frame;
}

}  // namespace ringtap
