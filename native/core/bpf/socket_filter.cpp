#include "core/bpf/socket_filter.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "core/linux/live_handle.h"
#include "core/util/unique_fd.h"

namespace ringtap {

namespace {

// `denied`: set to the error number if the process may not open packet sockets.
PcapHandle activate(const char* name, std::uint32_t snapshotLength, int& denied) {
  auto activated = activateHandle(name, [&](pcap_t* handle) {
    pcap_set_snaplen(handle, static_cast<int>(snapshotLength));
    pcap_set_buffer_size(handle, 64 * 1024);  // this gives a ring of a single frame
    pcap_set_timeout(handle, 1000);
    pcap_set_protocol_linux(handle, kQuietProtocol);
  });
  if (!activated || !activated->handle) return nullptr;
  if (activated->status == PCAP_ERROR_PERM_DENIED) denied = activated->number == EACCES ? EACCES : EPERM;
  if (activated->status < 0 || pcap_datalink(activated->handle.get()) != DLT_EN10MB) return nullptr;
  return std::move(activated->handle);
}

bool isUpEthernet(int socket, const char* name) {
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (::ioctl(socket, SIOCGIFFLAGS, &request) != 0 || !(request.ifr_flags & IFF_UP)) return false;
  if (::ioctl(socket, SIOCGIFHWADDR, &request) != 0) return false;
  return linkTypeOf(request.ifr_hwaddr.sa_family) == kLinkTypeEthernet;
}

// A live Ethernet handle, used only to make the code generator emit the kernel's extensions; null if no device is up.
// Permission: the process may not open packet sockets.
Result<PcapHandle> activateAny(std::uint32_t snapshotLength) {
  int denied = 0;
  PcapHandle handle = activate("lo", snapshotLength, denied);
  if (!handle && denied == 0) {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct if_nameindex* const names = ::if_nameindex();
    if (!names) return PcapHandle();
    for (const struct if_nameindex* each = names; each->if_index != 0 && !handle && denied == 0; ++each) {
      if (isUpEthernet(socket.get(), each->if_name)) handle = activate(each->if_name, snapshotLength, denied);
    }
    ::if_freenameindex(names);
  }
  if (denied == 0) return handle;
  errno = denied;
  return Error::fromErrno("socket", "libpcap compiles vlan, inbound, outbound and ifindex only with a packet socket");
}

}  // namespace

Result<CompiledFilter> compileSocketFilter(const std::string& expression, std::uint16_t linkType,
                                           std::uint32_t snapshotLength) {
  return compileFilter(expression, linkType, snapshotLength, FilterInput::Memory, &activateAny);
}

Result<LinkTypeFilters> compileSocketFilters(const std::string& expression, std::uint32_t snapshotLength,
                                             std::span<const std::uint16_t> linkTypes) {
  return compileForLinkTypes(expression, snapshotLength, FilterInput::Memory, linkTypes, &activateAny);
}

}  // namespace ringtap
