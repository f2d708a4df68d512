// The sockets of TCP and UDP of one network namespace, as the kernel reports them (sock_diag(7)), and their ends.
//
// One owner; not thread-safe. Needs no privilege.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/links/netlink_socket.h"
#include "core/owners/socket_ends.h"
#include "core/util/result.h"

namespace ringtap {

struct SocketReport {
  SocketEnds ends;           // localPort is 0 if it had no port when it ended
  std::uint64_t cookie = 0;  // identifies the socket among all of this boot, whatever its namespace
  std::uint32_t inode = 0;   // of its descriptors; 0 if no descriptor refers to it
  bool listening = false;    // TCP
  bool onlyV6 = false;       // listening on ::, it does not accept IPv4
};

// A struct inet_diag_msg and its attributes. `protocol`: 0 to read it from the message. nullopt if the message is
// malformed, or the socket is neither of TCP nor of UDP.
[[nodiscard]] std::optional<SocketReport> parseSocketReport(netlink::Bytes payload, std::uint8_t protocol);

class SocketDiag {
 public:
  // In the network namespace of the calling thread. The namespace lives at least as long as this object.
  [[nodiscard]] static Result<SocketDiag> open();

  // Appends every socket that has a port. A socket that begins or ends meanwhile may be missing, and so may, rarely,
  // one beside it in the kernel's table: only one that is missing twice has ended.
  Result<> list(std::vector<SocketReport>& into);

  // Readable when sockets have ended.
  [[nodiscard]] int fd() const { return ends_.fd(); }
  // Appends the sockets that have ended since the last call, without waiting. False if the kernel had to drop some.
  Result<bool> ended(std::vector<SocketReport>& into);

 private:
  SocketDiag(netlink::Socket requests, netlink::Socket ends) : requests_(std::move(requests)), ends_(std::move(ends)) {}

  Result<bool> listOnce(std::uint8_t family, std::uint8_t protocol, std::vector<SocketReport>& into);

  netlink::Socket requests_;
  netlink::Socket ends_;
  std::uint32_t sequence_ = 0;
};

}  // namespace ringtap
