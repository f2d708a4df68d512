// The interfaces of one network namespace, kept up to date over rtnetlink (rtnetlink(7)).
//
// One owner; not thread-safe. Opened in the namespace of the calling thread and stays with that namespace.
//
// What the kernel does not announce is known only with the next news of the same device:
// - alternative names given to a device that is down (netdev_state_change(), net/core/dev.c);
// - where the other end of a veth goes once it is in another namespace. That it leaves this one, or comes back, is
//   followed.
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
  // Subscribes first, then dumps: what changes in between is seen twice rather than not at all.
  // receiveBuffer: bytes of news the kernel may hold for us; it grants less to those without CAP_NET_ADMIN.
  [[nodiscard]] static Result<InterfaceMonitor> open(int receiveBuffer = 8 * 1024 * 1024);

  InterfaceMonitor(InterfaceMonitor&&) noexcept;
  InterfaceMonitor& operator=(InterfaceMonitor&&) noexcept;
  ~InterfaceMonitor();

  // Readable when read() has something to do. Non-blocking; good for edge-triggered epoll because read() drains it.
  [[nodiscard]] int fd() const;

  // Everything known now, by index.
  [[nodiscard]] const std::map<std::uint32_t, InterfaceInfo>& interfaces() const;

  // Takes all that the kernel has sent, and appends what changed, in order. After an overflow of the socket (ENOBUFS)
  // dumps again and appends the differences; a dump that was interrupted (NLM_F_DUMP_INTR) is repeated.
  Result<> read(std::vector<InterfaceEvent>& events);

  // For a packet that came before the news of its interface: reads, and asks the kernel for this one index if it is
  // still unknown. Appends to `events` like read(). False: the kernel does not know the index (any more).
  Result<bool> query(std::uint32_t index, std::vector<InterfaceEvent>& events);

  // How often the socket overflowed and everything was dumped again.
  [[nodiscard]] std::uint64_t overflows() const;

 private:
  struct State;
  explicit InterfaceMonitor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringtap
