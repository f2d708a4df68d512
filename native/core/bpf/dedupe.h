// One packet, several sightings: which of them is delivered where a host passes a packet on.
//
// A packet socket sees a packet at every device it crosses: as it arrives at a bridge's port, again at the bridge when
// that hands it to the host, and at each device it leaves through. The rule: of the sightings at captured devices the
// first is delivered, each later one is a duplicate. It goes by the way a packet takes, never by what is in it or when
// it comes: the same bytes sent twice are two packets.
//
// clang-format off
//   the packet                                           delivered as        duplicates
//   from one port of a bridge to others, or flooded      in at the port      out at the other ports, in at the bridge
//   from a port to the host                              in at the port      in at the bridge
//   from the host through a bridge                       out at the bridge   out at its ports
//   routed: in at X, out at Y                            in at X             out at Y, and at the ports of Y
//   through a veth pair of which both ends are here      out at one end      in at the other
// clang-format on
//
// The sightings of a bond or a team and of its ports relate as those of a bridge. Where the first device is not
// captured, the next one counts. In doubt a packet is delivered: twice is better than never.
//
// Not duplicates, because the packet is not the same any more: what goes into a tunnel and what comes out of it; what
// is seen with a VLAN tag at a device and without at the VLAN's. A macvlan and the device beneath it are not related
// either: what macvlans send each other looks there as if it came from outside.
//
// Two implementations. In eBPF mode the filter sees for each packet where it arrived (core/bpf/dedupe_program.h). In
// classic mode user space decides, from the topology alone.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "core/block/block.h"
#include "core/bpf/cbpf_program.h"

namespace ringtap {

// What is known of one device.
struct DedupeDevice {
  std::uint32_t index = 0;
  std::string_view kind;     // as InterfaceInfo's
  std::uint32_t master = 0;  // 0: none
  std::uint32_t peer = 0;    // the other end of a veth, where that is in this namespace; 0: none
  bool selected = false;     // for sure: not while a decision is pending
};

// For the kernel's program.
inline constexpr std::uint32_t kDedupeTaken = 1;     // what arrives here is delivered, if the filter accepts it
inline constexpr std::uint32_t kDedupeArrivals = 2;  // what arrived here is delivered, here or at a device beneath
inline constexpr std::uint32_t kDedupePeer = 4;      // what arrives here was delivered as it left the other end
inline constexpr std::uint32_t kDedupeMaster = 8;    // what leaves here by way of the master was delivered there
// For user space: all packets of that direction are.
inline constexpr std::uint32_t kDedupeAllIn = 16;
inline constexpr std::uint32_t kDedupeAllOut = 32;  // but for link-local ones, see duplicateByTopology

struct DedupeRelation {
  std::uint32_t flags = 0;
  std::uint32_t master = 0;  // the bridge, bond or team it is a port of; 0: none
  bool operator==(const DedupeRelation&) const = default;
};

// How each device stands to the others, by index.
[[nodiscard]] std::map<std::uint32_t, DedupeRelation> relate(const std::vector<DedupeDevice>& devices,
                                                             Direction direction);

// The decision in user space. Frames to 01:80:c2:00:00:0X never cross a bridge or a bond: they are no duplicates.
[[nodiscard]] bool duplicateByTopology(const DedupeRelation& relation, const Record& record);

}  // namespace ringtap
