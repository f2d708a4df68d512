// The interfaces of one network namespace, kept up to date over rtnetlink (rtnetlink(7)).
//
// One owner; not thread-safe. Opened in the namespace of the calling thread and stays with that namespace.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "core/interface_info.h"
#include "core/result.h"

namespace ringtap {

class InterfaceMonitor {
 public:
  // Subscribes first, then dumps: what changes in between is seen twice rather than not at all.
  [[nodiscard]] static Result<InterfaceMonitor> open();

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

  // Asks the kernel for one index now: for a packet that came before the news of its interface. Appends to `events`
  // like read() where this teaches something new. False: the kernel does not know the index (any more).
  Result<bool> query(std::uint32_t index, std::vector<InterfaceEvent>& events);

  // How often the socket overflowed and everything was dumped again.
  [[nodiscard]] std::uint64_t overflows() const;

 private:
  struct State;
  explicit InterfaceMonitor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringtap
