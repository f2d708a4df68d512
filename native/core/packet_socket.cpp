#include "core/packet_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <string>

namespace ringtap {

namespace {

sock_fprog forKernel(std::span<const FilterInstruction> program) {
  static_assert(sizeof(FilterInstruction) == sizeof(sock_filter));
  return {
      static_cast<unsigned short>(program.size()),
      reinterpret_cast<sock_filter*>(const_cast<FilterInstruction*>(program.data())),
  };
}

}  // namespace

Result<> attachFilter(int socket, std::span<const FilterInstruction> program) {
  const sock_fprog request = forKernel(program);
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &request, sizeof request) == 0) return {};
  if (errno == ENOMEM) {
    return Error::fromErrno("setsockopt",
                            "the kernel has no room for a filter of " + std::to_string(program.size()) +
                                " instructions (sysctl net.core.optmem_max)",
                            Code::FilterTooLarge);
  }
  return Error::fromErrno("setsockopt", "the kernel refused the socket filter");
}

Result<> attachFilter(int socket, int ebpfProgram) {
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_BPF, &ebpfProgram, sizeof ebpfProgram) == 0) return {};
  return Error::fromErrno("setsockopt", "the kernel refused the eBPF socket filter");
}

Result<> refusePackets(int socket) {
  const FilterInstruction nothing{BPF_RET | BPF_K, 0, 0, 0};
  return attachFilter(socket, {&nothing, 1});
}

Result<> bindToInterface(int socket, std::uint32_t interface) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(interface);
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return {};
  return Error::fromErrno("bind", "the packet socket could not be bound");
}

Result<> shareByProgram(int socket, std::span<const FilterInstruction> program) {
  const sock_fprog request = forKernel(program);
  if (::setsockopt(socket, SOL_PACKET, PACKET_FANOUT_DATA, &request, sizeof request) == 0) return {};
  return Error::fromErrno("setsockopt", "the kernel refused to give the interfaces rings of their own");
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
