// The interfaces of one network namespace, kept up to date by rtnetlink (rtnetlink(7)).
//
// One owner; not thread-safe. Serves the network namespace of the thread that opened it.
//
// The kernel does not announce these changes; they are seen only with the next notification about the same device:
// - alternative names given to a device that is down (netdev_state_change(), net/core/dev.c);
// - moves of a veth's peer between other namespaces. That it leaves this namespace or returns is followed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "core/links/interface_info.h"
#include "core/util/result.h"

namespace ringtap {

class InterfaceMonitor {
 public:
  // Subscribes before it dumps: a change in between is seen twice rather than missed.
  // receiveBuffer: size of the socket's receive buffer for notifications, in bytes; without CAP_NET_ADMIN the kernel
  // limits it.
  [[nodiscard]] static Result<InterfaceMonitor> open(int receiveBuffer = 8 * 1024 * 1024);

  InterfaceMonitor(InterfaceMonitor&&) noexcept;
  InterfaceMonitor& operator=(InterfaceMonitor&&) noexcept;
  ~InterfaceMonitor();

  // Readable when there are messages for read(). Non-blocking; fit for edge-triggered epoll, because read() drains it.
  [[nodiscard]] int fd() const;

  // The known interfaces, by index.
  [[nodiscard]] const std::map<std::uint32_t, InterfaceInfo>& interfaces() const;

  // Reads all waiting messages and appends the changes to `events`, in order. After an overflow of the socket (ENOBUFS)
  // it dumps again and appends the differences; an interrupted dump (NLM_F_DUMP_INTR) is repeated.
  Result<> read(std::vector<InterfaceEvent>& events);

  // For a packet that arrived before the notification about its interface: reads as read() does, and queries the kernel
  // for this index if it is still unknown. Appends to `events`. False if the kernel has no device of this index.
  Result<bool> query(std::uint32_t index, std::vector<InterfaceEvent>& events);

  // How often the socket overflowed and everything was dumped again.
  [[nodiscard]] std::uint64_t overflows() const;

 private:
  struct State;
  explicit InterfaceMonitor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringtap
