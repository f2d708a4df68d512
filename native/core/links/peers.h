// The far ends of the pairs of devices (veth, netkit) that have one end in this network namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/links/interface_info.h"
#include "core/links/peer_namespaces.h"
#include "core/linux/netns.h"
#include "core/util/result.h"

namespace ringtap {

struct Peer {
  // Where the far end is.
  enum class Place {
    Here,       // in the same namespace
    Elsewhere,  // in the namespace with the id interface.peerNetnsId
    Unknown     // the kernel does not report it: its namespace is about to end
  };
  InterfaceInfo interface;  // the near end
  Place place = Place::Unknown;
  std::string name{};  // of the far end; "": see `error`
  int error = 0;       // why there is no name: EPERM, or ENODEV if there is no such device (any more)
};

struct Peers {
  std::vector<Peer> list;  // ascending by index
  FoundNamespaces namespaces;
  std::optional<Namespace::Identity> own;  // of the interfaces' namespace
};

// Which interfaces: all, or one, by its index, or by its name or an alternative one.
struct PeerQuery {
  std::uint32_t index = 0;
  std::string name{};

  [[nodiscard]] bool all() const { return index == 0 && name.empty(); }
};

// Reads them consistently: if a device of them moves or changes meanwhile, it reads again. Blocks: netlink, and see
// findNamespaces(). NoInterface: there is no such interface.
//
// Names in another namespace come from the kernel (IFLA_TARGET_NETNSID, with CAP_NET_ADMIN over it), from entering it
// (with CAP_SYS_ADMIN), or from the files in `procfs` of a process that is in it.
[[nodiscard]] Result<Peers> readPeers(const NamespaceSources& sources, const PeerQuery& query);

}  // namespace ringtap
