// Sends random packets across random hosts and compares the program with the model.
#pragma once

#include <linux/if_arp.h>

#include <algorithm>
#include <vector>

#include "support/choices.h"
#include "support/dedupe_model.h"
#include "support/ebpf_filter.h"
#include "support/random_filter.h"

namespace support {

struct CrossingCounts {
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
};

// Runs `count` packets on one host. Returns a description of the first difference, or null if there is none.
inline const char* crossAtRandom(Choices& choices, int count, CrossingCounts& counts) {
  using namespace ringtap;
  constexpr std::uint32_t kNobody = 99;  // an index without a slot
  constexpr std::uint32_t indexes[] = {10, 1, 2, 5, 20, 21, 22, kNobody};
  constexpr const char* kinds[] = {"bridge", "veth", "bond", "", "vrf", "ifb"};
  const auto anyIndex = [&] { return indexes[choices.below(8)]; };

  FilterSpec spec;
  spec.direction = static_cast<Direction>(choices.below(3));
  if (choices.oneIn(3)) {
    spec.filtered = true;  // by one bit of byte 12
    spec.programs.push_back({kLinkTypeEthernet,
                             {op(BPF_LD | BPF_B | BPF_ABS, 12), op(BPF_ALU | BPF_AND | BPF_K, 1), op(BPF_RET | BPF_A)},
                             {}});
  }
  std::vector<DedupeDevice> devices;
  for (const std::uint32_t index : indexes) {
    if (index == kNobody) continue;
    devices.push_back({index, kinds[choices.below(6)], choices.oneIn(2) ? anyIndex() : 0,
                       choices.oneIn(4) ? anyIndex() : 0, !choices.oneIn(3)});
  }
  EbpfFilterModel ebpf(spec, true, true);
  if (ebpf.code.empty()) return "no program";
  DedupeModel model;
  model.relations = relate(devices, spec.direction);
  for (const DedupeDevice& device : devices) {
    ebpf.list(device.index, ARPHRD_ETHER, !device.selected);
    ebpf.relate(device.index, model.relations.at(device.index));
  }

  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
  for (int i = 0; i < count; ++i) {
    std::vector<std::uint8_t> bytes;
    bytes.assign(choices.oneIn(8) ? choices.below(14) : 14 + choices.below(2), static_cast<std::uint8_t>(i / 8));
    if (choices.oneIn(6) && bytes.size() > 5) {
      const std::uint8_t group[] = {0x01, 0x80, 0xc2, 0x00, 0x00, static_cast<std::uint8_t>(choices.below(32))};
      std::copy(std::begin(group), std::end(group), bytes.begin());
    }
    if (bytes.size() > 12) bytes[12] = static_cast<std::uint8_t>(choices.below(2));
    Crossing at;
    at.index = anyIndex();
    at.type = choices.oneIn(2) ? PACKET_OUTGOING : PACKET_HOST;
    at.ingress = at.index;
    if (at.type == PACKET_OUTGOING) at.ingress = choices.oneIn(3) ? 0 : anyIndex();
    at.bytes = bytes;
    at.length = static_cast<std::uint32_t>(bytes.size());
    PacketMetadata metadata;
    metadata.interfaceIndex = at.index;
    metadata.packetType = at.type;
    metadata.hardwareType = ARPHRD_ETHER;

    const auto device =
        std::find_if(devices.begin(), devices.end(), [&](const DedupeDevice& one) { return one.index == at.index; });
    const bool known = device != devices.end();
    FilterSpec law = spec;
    law.filtered = spec.filtered && known;
    const bool passes = (!known || device->selected) && tailVerdict(law, bytes, at.length, metadata) != 0;
    const bool duplicate = model.cross(at, passes && known);
    ebpf.machine.ingress = at.ingress;
    const auto verdict = ebpf.machine.run(ebpf.code, bytes, at.length, metadata);
    if (!verdict) return ebpf.machine.fault();
    if ((*verdict != 0) != (passes && !duplicate)) return "another verdict";
    accepted += passes && !duplicate ? 1 : 0;
    duplicates += duplicate ? 1 : 0;
    if (ebpf.accepted() != accepted || ebpf.duplicates() != duplicates) return "another count";
  }
  counts.accepted += accepted;
  counts.duplicates += duplicates;
  return nullptr;
}

}  // namespace support
