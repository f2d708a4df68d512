// A libpcap handle that captures from a device.
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <functional>

#include "core/linux/private_descriptors.h"
#include "core/util/pcap_handle.h"

namespace ringtap {

// A live handle and the results of its creation and activation.
struct ActivatedHandle {
  PcapHandle handle;                   // null if pcap_create() failed; `reason` has its message
  int status = PCAP_ERROR;             // of pcap_activate()
  int number = 0;                      // errno after it
  char reason[PCAP_ERRBUF_SIZE] = "";  // of pcap_create()
};

// Creates a live handle, calls `configure`, and activates the handle. Its descriptors are close-on-exec, which libpcap
// (1.10) does not do; private_descriptors.h has the limits.
[[nodiscard]] inline Result<ActivatedHandle> activateHandle(const char* device,
                                                            const std::function<void(pcap_t*)>& configure) {
  ActivatedHandle result;
  auto opened = openPrivately([&] {
    result.handle.reset(pcap_create(device, result.reason));
    if (!result.handle) return;
    configure(result.handle.get());
    errno = 0;
    result.status = pcap_activate(result.handle.get());
    result.number = errno;
  });
  if (!opened) return std::move(opened.error());
  if (result.handle && result.status >= 0) {
    if (const int fd = pcap_fileno(result.handle.get()); fd >= 0) (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  return result;
}

// For pcap_set_protocol_linux(): an EtherType reserved for local experiments (IEEE 802). A packet socket that
// pcap_activate() has bound to it receives almost no packets until it is bound to another protocol.
inline constexpr int kQuietProtocol = 0x88b5;

}  // namespace ringtap
