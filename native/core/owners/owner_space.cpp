#include "core/owners/owner_space.h"

namespace ringtap {

Result<OwnerSpace> OwnerSpace::open(std::uint32_t id, SpaceIdentity identity) {
  auto sockets = SocketDiag::open();
  if (!sockets) return std::move(sockets.error());
  auto requester = netlink::Requester::open();
  if (!requester) return std::move(requester.error());
  return OwnerSpace(id, std::move(identity), std::move(*sockets), std::move(*requester));
}

Result<OwnerSpace> OwnerSpace::openAt(std::uint32_t id, SpaceIdentity identity, const std::string& path) {
  auto netns = Namespace::at(path);
  if (!netns) return std::move(netns.error());
  const auto found = netns->identity();
  if (!found || SpaceIdentity(found->device, found->inode) != identity) {
    return Error{Code::Option, "another network namespace is at " + path + " now"};
  }
  return inNamespace(std::make_shared<const Namespace>(std::move(*netns)), [&] { return open(id, identity); });
}

Result<std::set<OwnerAddress>> OwnerSpace::addresses() {
  auto list = requester_.addresses(0);
  if (!list) return std::move(list.error());
  std::set<OwnerAddress> addresses;
  for (const auto& one : *list) addresses.insert(ownerAddress(one.address.family, one.address.bytes.data()));
  return addresses;
}

}  // namespace ringtap
