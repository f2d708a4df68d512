// A straightforward implementation of a packet's verdict: the reference for both assembled forms of the socket filter.
#pragma once

#include <linux/if_arp.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "core/bpf/cbpf_program.h"
#include "core/filter/filter_interpreter.h"
#include "core/util/link_type.h"
#include "support/addresses.h"
#include "support/connections.h"

namespace support {

// Applies the direction, the loopback rule and the user's filter.
inline std::uint32_t tailVerdict(const ringtap::FilterSpec& spec, std::span<const std::uint8_t> bytes,
                                 std::uint32_t length, const ringtap::PacketMetadata& metadata) {
  const bool leaving = metadata.packetType == PACKET_OUTGOING;
  if (leaving && metadata.hardwareType == ARPHRD_LOOPBACK) return 0;
  if (spec.direction == ringtap::Direction::In && leaving) return 0;
  if (spec.direction == ringtap::Direction::Out && !leaving) return 0;
  if (!spec.filtered) return spec.snapshotLength;
  const std::uint16_t linkType = ringtap::linkTypeOf(metadata.hardwareType);
  if (linkType == ringtap::kLinkTypeUnknown) return 0;
  for (const ringtap::LinkTypeFilter& each : spec.programs) {
    if (each.linkType == linkType) return ringtap::runFilter(each.instructions, bytes, length, metadata);
  }
  return 0;
}

// The same with address sets, for a packet that is not truncated and not of a wireless LAN.
inline std::uint32_t tailVerdict(const ringtap::FilterSpec& spec, const AddressChoice& chosen,
                                 std::span<const std::uint8_t> bytes, const ringtap::PacketMetadata& metadata) {
  const std::uint16_t linkType = ringtap::linkTypeOf(metadata.hardwareType);
  if (!addressesPass(chosen, addressesOf(linkType, bytes))) return 0;
  return tailVerdict(spec, bytes, static_cast<std::uint32_t>(bytes.size()), metadata);
}

// The same with excluded connections.
inline std::uint32_t tailVerdict(const ringtap::FilterSpec& spec, const AddressChoice& chosen,
                                 const Connections& excluded, std::span<const std::uint8_t> bytes,
                                 const ringtap::PacketMetadata& metadata) {
  const std::uint16_t linkType = ringtap::linkTypeOf(metadata.hardwareType);
  if (!connectionPasses(excluded, connectionOf(linkType, bytes))) return 0;
  return tailVerdict(spec, chosen, bytes, metadata);
}

inline bool passesTable(const ringtap::IndexTable& table, std::uint32_t index) {
  const bool listed = std::find(table.listed.begin(), table.listed.end(), index) != table.listed.end();
  return listed != table.acceptUnlisted;
}

}  // namespace support
