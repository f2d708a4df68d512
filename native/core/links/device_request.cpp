#include "core/links/device_request.h"

#include <net/if.h>
#include <sys/ioctl.h>

#include <cstring>

namespace ringtap {

bool requestOfDevice(int socket, unsigned long request, const std::string& device, void* data) {
  ifreq argument{};
  if (device.size() >= sizeof argument.ifr_name) return false;
  std::memcpy(argument.ifr_name, device.data(), device.size());
  argument.ifr_data = static_cast<char*>(data);
  return ::ioctl(socket, request, &argument) == 0;
}

}  // namespace ringtap
