// Selects which sighting of a packet is delivered if a host forwards it across several captured devices.
//
// A packet socket receives a packet at every device it crosses: when it arrives at a bridge's port, again at the bridge
// when it is passed to the host, and at each device it leaves through. Of the sightings at captured devices the first
// is delivered; each later one is a duplicate. Only the path of a packet counts, never its content or timestamp: the
// same bytes sent twice are two packets.
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
// A bond or a team and its ports are treated like a bridge and its ports. If the first device is not captured, the next
// one counts. In doubt a packet is delivered, possibly twice.
//
// Not duplicates, because the packet has changed: the packet that enters a tunnel and the one that leaves it; a packet
// with a VLAN tag at a device and without it at the VLAN device. A macvlan and its lower device are not related either:
// packets between macvlans appear at the lower device as if they came from outside.
//
// There are two implementations. In eBPF mode the filter reads for each packet where it arrived
// (core/bpf/dedupe_program.h). In classic mode user space decides, from the topology alone.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "core/block/block.h"
#include "core/bpf/cbpf_program.h"

namespace ringtap {

// The properties of one device.
struct DedupeDevice {
  std::uint32_t index = 0;
  std::string_view kind;     // as InterfaceInfo's
  std::uint32_t master = 0;  // 0: none
  std::uint32_t peer = 0;    // the other end of a veth, if it is in this namespace; 0: none
  bool selected = false;     // false while a decision is pending
};

// Flags for the kernel's program.
// kDedupeTaken: packets that arrive here are delivered if the filter accepts them.
// kDedupeArrivals: packets that arrived here were delivered, here or at a lower device.
// kDedupePeer: packets that arrive here were delivered when they left the other end.
// kDedupeMaster: packets that leave here by way of the master were delivered there.
inline constexpr std::uint32_t kDedupeTaken = 1;
inline constexpr std::uint32_t kDedupeArrivals = 2;
inline constexpr std::uint32_t kDedupePeer = 4;
inline constexpr std::uint32_t kDedupeMaster = 8;
// Flags for user space: all packets of that direction are duplicates.
inline constexpr std::uint32_t kDedupeAllIn = 16;
inline constexpr std::uint32_t kDedupeAllOut = 32;  // except link-local ones, see duplicateByTopology

struct DedupeRelation {
  std::uint32_t flags = 0;
  std::uint32_t master = 0;  // the bridge, bond or team it is a port of; 0: none
  bool operator==(const DedupeRelation&) const = default;
};

// The relation of each device to the others, by index: they are all present, so that each has its own.
[[nodiscard]] std::map<std::uint32_t, DedupeRelation> relate(const std::vector<DedupeDevice>& devices,
                                                             Direction direction);

// The verdict in user space. Frames to 01:80:c2:00:00:0X never cross a bridge or a bond, so they are no duplicates.
[[nodiscard]] bool duplicateByTopology(const DedupeRelation& relation, const Record& record);

}  // namespace ringtap
