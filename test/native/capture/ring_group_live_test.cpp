// Joining a fanout group of the network namespace.
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <vector>

#include "core/bpf/attach.h"
#include "core/capture/intake/packet_socket.h"
#include "core/capture/ring/ring.h"
#include "support/check.h"
#include "support/namespace.h"

using namespace ringtap;

namespace {

constexpr FanoutGroup kGroup{7, PACKET_FANOUT_LB};
constexpr std::size_t kMaxMembers = 256;  // fanout_add(), net/packet/af_packet.c

// A packet socket that belongs to kGroup and accepts no packets.
UniqueFd member() {
  UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  const int request = *kGroup.id | kGroup.type << 16;
  const bool joined = socket && refusePackets(socket.get()).ok() && bindToInterface(socket.get(), 0).ok() &&
                      ::setsockopt(socket.get(), SOL_PACKET, PACKET_FANOUT, &request, sizeof request) == 0;
  CHECK(joined);
  return socket;
}

std::shared_ptr<Ring> boundRing() {
  auto ring = Ring::open({.blockSize = 4096, .blockCount = 4, .maxDelayMilliseconds = 1});
  CHECK(ring.ok());
  if (!ring) return nullptr;
  CHECK(bindToInterface((*ring)->fd(), 0).ok());
  return *ring;
}

}  // namespace

TEST(aFullGroupRefusesAnotherRingUntilAMemberLeaves) {
  std::vector<UniqueFd> members;
  for (std::size_t i = 0; i < kMaxMembers; ++i) members.push_back(member());
  const auto ring = boundRing();
  if (!ring) return;
  auto refused = ring->joinFanout(kGroup);
  CHECK(!refused.ok());
  if (refused) return;
  CHECK(refused.error().code == Code::System && refused.error().number == ENOSPC);
  CHECK(refused.error().option == "ring.group");
  CHECK(refused.error().message == "the fanout group 7 has as many members as the kernel allows");
  members.pop_back();
  auto joined = ring->joinFanout(kGroup);
  CHECK(joined.ok() && *joined == kGroup.id);
}

TEST(aGroupOfAnotherTypeRefusesARing) {
  const UniqueFd first = member();
  const auto ring = boundRing();
  if (!ring) return;
  auto refused = ring->joinFanout({kGroup.id, PACKET_FANOUT_HASH});
  CHECK(!refused.ok());
  if (!refused) CHECK(refused.error().code == Code::Option && refused.error().number == EINVAL);
  CHECK(ring->joinFanout(kGroup).ok());
}

TEST(aGroupOfARingAloneHasAFreeNumber) {
  const auto one = boundRing();
  const auto two = boundRing();
  if (!one || !two) return;
  auto first = one->joinFanout({{}, PACKET_FANOUT_HASH});
  auto second = two->joinFanout({{}, PACKET_FANOUT_HASH});
  CHECK(first.ok() && second.ok());
  if (first.ok() && second.ok()) CHECK(*first != *second);
}
