// The promiscuous memberships of a capture: which devices it holds in promiscuous mode.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

#include "core/links/interface_info.h"
#include "core/util/result.h"

namespace ringtap {

class Promiscuity {
 public:
  // `set`: joins (true) or leaves the membership of the device that has this index now.
  explicit Promiscuity(std::function<Result<>(std::uint32_t index, bool on)> set) : set_(std::move(set)) {}

  // The device is captured, or not any more. A device that has gone in the meantime is no error.
  Result<> follow(InterfaceId device, bool captured);
  // The kernel has ended the membership with the device.
  void forget(InterfaceId device);
  // Interface events were lost: a device may have gone and come back, and its membership ended with it
  // (packet_dev_mclist_delete(), net/packet/af_packet.c). Joins all of them once more; one that still stands is counted
  // once more by the kernel, and nothing changes for the device.
  void renew();

 private:
  std::function<Result<>(std::uint32_t, bool)> set_;
  std::mutex mutex_;
  std::map<InterfaceId, std::uint32_t> times_;  // how often each membership was joined
};

}  // namespace ringtap
