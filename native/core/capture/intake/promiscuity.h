// The promiscuous memberships of a capture.
//
// Thread-safe. follow() and renew() wait for the kernel's RTNL lock (packet_mc_add(), packet_mc_drop() in
// net/packet/af_packet.c), which may be held for a hundred milliseconds while many devices are deleted. forget() waits
// only while one of the two is under way.
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
  // `set`: joins (`on`) or leaves the membership of the device that now has this index.
  explicit Promiscuity(std::function<Result<>(std::uint32_t index, bool on)> set) : set_(std::move(set)) {}

  // Joins or leaves the membership of the device. It is no error if the device has been removed in the meantime.
  Result<> follow(InterfaceId device, bool captured);
  // Removes the entry of a device that was removed: the kernel has ended the membership.
  void forget(InterfaceId device);
  // To be called after interface events were lost: a device may have been removed and added again, which ends its
  // membership (packet_dev_mclist_delete(), net/packet/af_packet.c). Joins every membership again; if one still exists,
  // the kernel only increments its count.
  void renew();

 private:
  std::function<Result<>(std::uint32_t, bool)> set_;
  std::mutex mutex_;
  std::map<InterfaceId, std::uint32_t> times_;  // how often each membership has been joined
};

}  // namespace ringtap
