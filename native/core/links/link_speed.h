// The speed of a device's link, for the descriptions of interfaces in recordings.
#pragma once

#include <cstdint>
#include <string>

namespace ringtap {

// Bits per second; 0: unknown. `socket`: any socket of the device's network namespace. Waits for the kernel's RTNL
// lock; needs no privilege.
[[nodiscard]] std::uint64_t linkSpeed(int socket, const std::string& device);

}  // namespace ringtap
