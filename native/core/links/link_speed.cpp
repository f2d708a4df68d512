#include "core/links/link_speed.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "core/links/device_request.h"

namespace ringtap {

std::uint64_t linkSpeed(int socket, const std::string& device) {
  ethtool_cmd command{};
  command.cmd = ETHTOOL_GSET;
  if (!requestOfDevice(socket, SIOCETHTOOL, device, &command)) return 0;
  const std::uint32_t megabits = ethtool_cmd_speed(&command);
  return megabits == static_cast<std::uint32_t>(SPEED_UNKNOWN) ? 0 : std::uint64_t{megabits} * 1'000'000;
}

}  // namespace ringtap
