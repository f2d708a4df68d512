#include "core/capture/intake/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "core/bpf/attach.h"

namespace ringtap {

Result<> bindToInterface(int socket, std::uint32_t interface) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(interface);
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return {};
  return Error::fromErrno("bind", "the packet socket could not be bound");
}

Result<> shareByProgram(int socket, std::span<const FilterInstruction> program) {
  const sock_fprog request = kernelProgram(program);
  if (::setsockopt(socket, SOL_PACKET, PACKET_FANOUT_DATA, &request, sizeof request) == 0) return {};
  return Error::fromErrno("setsockopt", "the kernel refused the program that selects the rings");
}

Result<> setPromiscuous(int socket, std::uint32_t interface, bool on) {
  packet_mreq request{};
  request.mr_ifindex = static_cast<int>(interface);
  request.mr_type = PACKET_MR_PROMISC;
  const int option = on ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP;
  if (::setsockopt(socket, SOL_PACKET, option, &request, sizeof request) == 0) return {};
  return Error::fromErrno("setsockopt",
                          on ? "promiscuous mode could not be set" : "promiscuous mode could not be left");
}

}  // namespace ringtap
