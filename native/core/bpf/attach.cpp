#include "core/bpf/attach.h"

#include <sys/socket.h>

#include <string>

namespace ringtap {

sock_fprog kernelProgram(std::span<const FilterInstruction> program) {
  static_assert(sizeof(FilterInstruction) == sizeof(sock_filter));
  return {
      static_cast<unsigned short>(program.size()),
      reinterpret_cast<sock_filter*>(const_cast<FilterInstruction*>(program.data())),
  };
}

namespace {

// A socket's filter counts towards the memory that its options may take.
Error noRoom(const std::string& filter) {
  return Error::fromErrno("setsockopt", "the kernel has no room for " + filter + " (sysctl net.core.optmem_max)",
                          Code::FilterTooLarge);
}

}  // namespace

Result<> attachFilter(int socket, std::span<const FilterInstruction> program) {
  const sock_fprog request = kernelProgram(program);
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &request, sizeof request) == 0) return {};
  if (errno == ENOMEM) return noRoom("a filter of " + std::to_string(program.size()) + " instructions");
  return Error::fromErrno("setsockopt", "the kernel refused the socket filter");
}

Result<> attachFilter(int socket, int ebpfProgram) {
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_BPF, &ebpfProgram, sizeof ebpfProgram) == 0) return {};
  if (errno == ENOMEM) return noRoom("the eBPF socket filter");
  return Error::fromErrno("setsockopt", "the kernel refused the eBPF socket filter");
}

Result<> refusePackets(int socket) {
  const FilterInstruction nothing{BPF_RET | BPF_K, 0, 0, 0};
  return attachFilter(socket, {&nothing, 1});
}

}  // namespace ringtap
