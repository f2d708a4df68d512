// Which process made which socket: an eBPF program on the control groups writes each new socket of TCP and UDP into a
// ring (Linux 5.8), so that also those are known that end before anybody has looked.
//
// One owner; not thread-safe. Needs CAP_BPF and CAP_NET_ADMIN, and control groups of version 2 that are mounted, also
// beside version 1. Covers the groups at and below that mount: in a container that has its own, the container.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/util/result.h"
#include "core/util/unique_fd.h"

namespace ringtap {

// As the program writes it.
struct SocketBirth {
  std::uint64_t time = 0;     // CLOCK_MONOTONIC, nanoseconds
  std::uint64_t cookie = 0;   // of the socket
  std::uint64_t process = 0;  // the pid in the upper half, in the initial pid namespace
  std::uint64_t user = 0;     // the real uid in the lower half, in the initial user namespace
  char name[16]{};            // of the command

  [[nodiscard]] std::uint32_t pid() const { return static_cast<std::uint32_t>(process >> 32); }
  [[nodiscard]] std::uint32_t uid() const { return static_cast<std::uint32_t>(user); }
};

// The mount point of control groups of version 2 in the text of /proc/PID/mountinfo; "" if there is none.
[[nodiscard]] std::string groupMount(const std::string& mountinfo);

class SocketBirths {
 public:
  // Option: there are no control groups of version 2. Permission: a capability is missing.
  [[nodiscard]] static Result<SocketBirths> open();
  SocketBirths(SocketBirths&&) noexcept;
  SocketBirths& operator=(SocketBirths&&) = delete;
  ~SocketBirths();

  // Readable when there are births for read().
  [[nodiscard]] int fd() const { return ring_.get(); }
  // Appends what has been written since the last call, in order for each processor. False if there is more, behind one
  // that is being written at this moment.
  bool read(std::vector<SocketBirth>& into);

 private:
  explicit SocketBirths(UniqueFd ring) : ring_(std::move(ring)) {}

  Result<> map();

  UniqueFd ring_;
  UniqueFd link_;                       // the attachment of the program
  void* consumer_ = nullptr;            // the page with the position up to which the ring was read
  const std::uint8_t* data_ = nullptr;  // the page with the position up to which it is written, then the ring, twice
};

}  // namespace ringtap
