#include "core/owners/packet_ends.h"

#include "core/util/byte_order.h"
#include "core/util/ip_headers.h"

namespace ringtap {

std::optional<SocketEnds> packetEnds(std::uint16_t linkType, std::span<const std::uint8_t> packet) {
  const auto headers = ipHeaders(linkType, packet);
  if (!headers || (headers->protocol != IPPROTO_TCP && headers->protocol != IPPROTO_UDP)) return std::nullopt;
  const std::size_t ports = headers->transport;
  if (ports + 4 > packet.size() || ports + 4 > headers->end) return std::nullopt;
  const int family = headers->version == 4 ? AF_INET : AF_INET6;
  return SocketEnds{.protocol = headers->protocol,
                    .localPort = bigEndian16(packet.data() + ports),
                    .remotePort = bigEndian16(packet.data() + ports + 2),
                    .local = ownerAddress(family, packet.data() + headers->source()),
                    .remote = ownerAddress(family, packet.data() + headers->destination())};
}

}  // namespace ringtap
