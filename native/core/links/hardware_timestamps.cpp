#include "core/links/hardware_timestamps.h"

#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#include "core/links/device_request.h"

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
  ethtool_ts_info info{};
  info.cmd = ETHTOOL_GET_TS_INFO;
  if (!requestOfDevice(socket, SIOCETHTOOL, device, &info)) return HardwareTimestamps::Unknown;
  hwtstamp_config config{};
  const bool reported = requestOfDevice(socket, SIOCGHWTSTAMP, device, &config);
  return hardwareTimestamps(info, reported ? std::optional<int>(config.rx_filter) : std::nullopt);
}

}  // namespace ringtap
