#include "core/ledger/packet_filter.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>

#include <span>

#include "core/bpf/address_filter.h"
#include "core/bpf/filter_interpreter.h"
#include "core/util/link_type.h"

namespace ringtap {

bool accepts(const FilterSpec& spec, const Record& record) {
  const sockaddr_ll& from = record.from();
  const bool leaving = from.sll_pkttype == PACKET_OUTGOING;
  if (leaving && (from.sll_hatype == ARPHRD_LOOPBACK || spec.direction == Direction::In)) return false;
  if (!leaving && spec.direction == Direction::Out) return false;
  const std::uint16_t linkType = linkTypeOf(from.sll_hatype);
  const std::span<const std::uint8_t> bytes(record.data(), record.header->tp_snaplen);
  if (spec.addresses && !spec.addresses->accepts(linkType, bytes, record.header->tp_len)) return false;
  if (!spec.filtered) return true;
  const LinkTypeFilter* program = programFor(spec, record.ownLinkType().value_or(linkType));
  if (program == nullptr) return false;
  PacketMetadata metadata;
  metadata.packetType = from.sll_pkttype;
  metadata.interfaceIndex = static_cast<std::uint32_t>(from.sll_ifindex);
  metadata.protocol = ntohs(from.sll_protocol);
  metadata.hardwareType = from.sll_hatype;
  metadata.networkOffset = static_cast<std::uint32_t>(record.header->tp_net - record.header->tp_mac);
  metadata.vlanPresent = (record.header->tp_status & TP_STATUS_VLAN_VALID) != 0;
  metadata.vlanTci = static_cast<std::uint16_t>(record.header->hv1.tp_vlan_tci);
  metadata.vlanTpid = record.header->hv1.tp_vlan_tpid;
  return runFilter(program->instructions, bytes, record.header->tp_len, metadata) != 0;
}

}  // namespace ringtap
