// What is read from one network namespace: its sockets, their ends, and its addresses.
//
// One owner; not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/links/netlink_socket.h"
#include "core/linux/netns.h"
#include "core/owners/socket_diag.h"
#include "core/util/result.h"

namespace ringtap {

// Device and inode of a namespace's file.
using SpaceIdentity = std::pair<std::uint64_t, std::uint64_t>;

class OwnerSpace {
 public:
  // In the network namespace of the calling thread.
  [[nodiscard]] static Result<OwnerSpace> open(std::uint32_t id, SpaceIdentity identity);
  // In the one at `path`, on a thread that enters it, which ends. Option: it is not the one with this identity.
  [[nodiscard]] static Result<OwnerSpace> openAt(std::uint32_t id, SpaceIdentity identity, const std::string& path);

  [[nodiscard]] std::uint32_t id() const { return id_; }
  [[nodiscard]] const SpaceIdentity& identity() const { return identity_; }
  [[nodiscard]] SocketDiag& sockets() { return sockets_; }
  Result<std::set<OwnerAddress>> addresses();

 private:
  OwnerSpace(std::uint32_t id, SpaceIdentity identity, SocketDiag sockets, netlink::Requester requester)
      : id_(id), identity_(std::move(identity)), sockets_(std::move(sockets)), requester_(std::move(requester)) {}

  std::uint32_t id_;
  SpaceIdentity identity_;
  SocketDiag sockets_;
  netlink::Requester requester_;
};

}  // namespace ringtap
