// ioctl(2) requests about a device (netdevice(7)), by its name.
#pragma once

#include <string>

namespace ringtap {

// Makes a request whose argument is ifreq.ifr_data, here `data`. False if it fails. `socket`: any socket of the
// device's network namespace (sock_do_ioctl(), net/socket.c). Waits for the kernel's RTNL lock.
[[nodiscard]] bool requestOfDevice(int socket, unsigned long request, const std::string& device, void* data);

}  // namespace ringtap
