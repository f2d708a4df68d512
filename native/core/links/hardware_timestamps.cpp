#include "core/links/hardware_timestamps.h"

#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cstring>

namespace ringtap {

HardwareTimestamps hardwareTimestamps(const ethtool_ts_info& info, std::optional<int> rxFilter) {
  if ((info.so_timestamping & SOF_TIMESTAMPING_RX_HARDWARE) == 0) return HardwareTimestamps::Unsupported;
  if (!rxFilter) return HardwareTimestamps::Unknown;
  switch (*rxFilter) {
    case HWTSTAMP_FILTER_NONE: return HardwareTimestamps::Off;
    case HWTSTAMP_FILTER_ALL: return HardwareTimestamps::All;
    default: return HardwareTimestamps::Some;
  }
}

HardwareTimestamps hardwareTimestampsOf(int socket, const std::string& device) {
  ifreq request{};
  if (device.size() >= sizeof request.ifr_name) return HardwareTimestamps::Unknown;
  std::memcpy(request.ifr_name, device.data(), device.size());
  ethtool_ts_info info{};
  info.cmd = ETHTOOL_GET_TS_INFO;
  request.ifr_data = reinterpret_cast<char*>(&info);
  if (::ioctl(socket, SIOCETHTOOL, &request) != 0) return HardwareTimestamps::Unknown;
  hwtstamp_config config{};
  request.ifr_data = reinterpret_cast<char*>(&config);
  const bool reported = ::ioctl(socket, SIOCGHWTSTAMP, &request) == 0;
  return hardwareTimestamps(info, reported ? std::optional<int>(config.rx_filter) : std::nullopt);
}

}  // namespace ringtap
