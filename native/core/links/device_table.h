// The loss counters of a namespace's devices that the kernel reports without its RTNL lock: /proc/net/dev
// (dev_seq_printf_stats(), net/core/net-procfs.c), which is read under RCU. Every other interface to them, netlink and
// ethtool alike, waits for that lock, which may be held for a hundred milliseconds while many devices are deleted.
//
// One owner; not thread-safe. Serves the network namespace of the thread that constructed it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/links/device_losses.h"
#include "core/links/interface_info.h"
#include "core/linux/proc_file.h"

namespace ringtap {

// A line of the table, which adds up some of the counters of DeviceLosses.
struct DeviceLine {
  std::uint64_t errors = 0;            // rx_errors
  std::uint64_t droppedAndMissed = 0;  // rx_dropped + rx_missed_errors
  std::uint64_t fifo = 0;              // rx_fifo_errors

  // The device's counters now, given those that the line does not have from an earlier reading of all of them.
  [[nodiscard]] DeviceLosses completedWith(const DeviceLosses& earlier) const;
};

// By name: the table has no indexes.
using DeviceLines = std::map<std::string, DeviceLine, std::less<>>;

// nullopt if the text does not have the kernel's format.
[[nodiscard]] std::optional<DeviceLines> parseDeviceTable(std::string_view text);

// Whether a DeviceLine is enough to follow the losses of this device: software alone feeds it, so that its driver never
// counts rx_missed_errors and rx_over_errors. False for hardware, and for what passes on the counters of hardware
// (bonds).
[[nodiscard]] bool lineSuffices(const InterfaceInfo& info);

class DeviceTable {
 public:
  DeviceTable() : file_("/proc/thread-self/net/dev") {}

  [[nodiscard]] bool available() const { return file_.available(); }
  // nullopt if the table cannot be read, for example because /proc is masked.
  [[nodiscard]] std::optional<DeviceLines> read() const {
    const auto text = file_.read();
    return text ? parseDeviceTable(*text) : std::nullopt;
  }

 private:
  ProcFile file_;
};

}  // namespace ringtap
