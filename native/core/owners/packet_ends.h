// The two ends of a packet of TCP or UDP.
//
// Pure; trusts nothing in the packet.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/owners/socket_ends.h"

namespace ringtap {

// As the sender sees them: `local` is the source. nullopt if the packet is neither TCP nor UDP, or does not show its
// ports: a fragment but the first, or cut off. Tunnels are not looked into. Link types: Ethernet with any number of
// VLAN tags, raw IP, and Linux's cooked headers.
[[nodiscard]] std::optional<SocketEnds> packetEnds(std::uint16_t linkType, std::span<const std::uint8_t> packet);

// As the receiver sees them.
[[nodiscard]] inline SocketEnds reversed(const SocketEnds& ends) {
  return {.protocol = ends.protocol,
          .localPort = ends.remotePort,
          .remotePort = ends.localPort,
          .local = ends.remote,
          .remote = ends.local};
}

}  // namespace ringtap
