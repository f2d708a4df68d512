#include "core/ledger/packet_filter.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>

#include <algorithm>
#include <span>

#include "core/bpf/address_filter.h"
#include "core/bpf/connection_filter.h"
#include "core/bpf/sample_filter.h"
#include "core/bpf/slice_filter.h"
#include "core/filter/filter_interpreter.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

// For a packet that was cut before what the expression depends on: the kernel may have accepted it.
constexpr std::uint32_t kUndecided = 1;

std::uint16_t ownLinkTypeOf(const Record& record) {
  return record.ownLinkType().value_or(linkTypeOf(record.from().sll_hatype));
}

std::span<const std::uint8_t> bytesOf(const Record& record) { return {record.data(), record.header->tp_snaplen}; }

// Everything but the sampling.
bool accepts(const FilterSpec& spec, const Record& record) {
  const RecordAddress& from = record.from();
  const bool leaving = from.sll_pkttype == kPacketOutgoing;
  if (leaving && (from.sll_hatype == ARPHRD_LOOPBACK || spec.direction == Direction::In)) return false;
  if (!leaving && spec.direction == Direction::Out) return false;
  const std::uint16_t linkType = linkTypeOf(from.sll_hatype);
  const std::span<const std::uint8_t> bytes = bytesOf(record);
  if (spec.addresses && !spec.addresses->accepts(linkType, bytes, record.header->tp_len)) return false;
  const std::uint16_t ownLinkType = ownLinkTypeOf(record);
  if (spec.connections && !spec.connections->accepts(ownLinkType, bytes, record.header->tp_len)) return false;
  if (!spec.filtered) return true;
  const LinkTypeFilter* program = programFor(spec, ownLinkType);
  if (program == nullptr) return false;
  PacketMetadata metadata;
  metadata.packetType = from.sll_pkttype;
  metadata.interfaceIndex = static_cast<std::uint32_t>(from.sll_ifindex);
  metadata.protocol = ntohs(from.sll_protocol);
  metadata.hardwareType = from.sll_hatype;
  metadata.networkOffset = static_cast<std::uint32_t>(record.header->tp_net - record.header->tp_mac);
  metadata.vlanPresent = (record.header->tp_status & kStatusVlanValid) != 0;
  metadata.vlanTci = static_cast<std::uint16_t>(record.header->tp_vlan_tci);
  metadata.vlanTpid = record.header->tp_vlan_tpid;
  return runFilter(program->instructions, bytes, record.header->tp_len, metadata, kUndecided) != 0;
}

}  // namespace

Judgement judge(const FilterSpec& spec, const Record& record) {
  if (!accepts(spec, record)) return Judgement::Refused;
  if (!spec.sample) return Judgement::Accepted;
  const bool taken = spec.sample->accepts(ownLinkTypeOf(record), bytesOf(record), record.header->tp_len);
  return taken ? Judgement::Accepted : Judgement::SampledOut;
}

void cut(const FilterSpec& spec, Record& record) {
  const std::uint32_t slice = sliceLength(spec.slice, ownLinkTypeOf(record), bytesOf(record), record.header->tp_len);
  record.header->tp_snaplen = std::min({record.header->tp_snaplen, spec.snapshotLength, slice});
}

}  // namespace ringtap
