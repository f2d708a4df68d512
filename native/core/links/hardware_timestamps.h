// Whether a device stamps the packets that it receives with its own clock
// (Documentation/networking/timestamping.rst, sections 3.1 and 3.3). Nothing here switches that on.
#pragma once

#include <linux/ethtool.h>

#include <cstdint>
#include <optional>
#include <string>

namespace ringtap {

// The values are those of lib/native/numbers.ts.
enum class HardwareTimestamps : std::uint8_t {
  Unknown,      // the device is gone, or its driver does not report
  Unsupported,  // the driver has none
  Off,
  Some,  // of certain packets only, such as those of PTP
  All,
};

// `rxFilter`: hwtstamp_config.rx_filter; nullopt if the driver does not report it.
[[nodiscard]] HardwareTimestamps hardwareTimestamps(const ethtool_ts_info& info, std::optional<int> rxFilter);

// `socket`: any socket of the device's network namespace. Waits for the kernel's RTNL lock; needs no privilege.
[[nodiscard]] HardwareTimestamps hardwareTimestampsOf(int socket, const std::string& device);

}  // namespace ringtap
