#include "core/bpf/dedupe.h"

#include <cstring>

namespace ringtap {

namespace {

using Relations = std::map<std::uint32_t, DedupeRelation>;

// Devices that receive what their ports receive, and send through them. Not included: a VRF device, which is a master
// too, but does not send through its ports; and the master of Open vSwitch ports, which never sees a packet.
bool passesOn(std::string_view kind) { return kind == "bridge" || kind == "bond" || kind == "team"; }

// Devices that set the device of arrival without a sighting there: an ifb on packets that it returns
// (drivers/net/ifb.c), a VRF device on packets that its ports receive (drivers/net/vrf.c).
bool marksUnseen(std::string_view kind) { return kind == "ifb" || kind == "vrf"; }

class Planner {
 public:
  Planner(const std::vector<DedupeDevice>& devices, Direction direction) : direction_(direction) {
    for (const DedupeDevice& device : devices) devices_.emplace(device.index, &device);
    for (const DedupeDevice& device : devices) {
      if (find(device.master) != nullptr) ports_[device.master].push_back(&device);
    }
  }

  Relations run() {
    for (const auto& [index, device] : devices_) relations_[index].flags = ownFlags(*device);
    for (const auto& [index, device] : devices_) (void)arrivals(*device);
    for (const auto& [index, device] : devices_) {
      DedupeRelation& relation = relations_[index];
      const DedupeDevice* master = masterOf(*device);
      if (master != nullptr) {
        relation.master = master->index;
        if (master->selected && direction_ != Direction::In) relation.flags |= kDedupeMaster;
      }
    }
    for (const auto& [index, device] : devices_) {
      DedupeRelation& relation = relations_[index];
      if (!device->selected) continue;
      const bool fromPorts = passesOn(device->kind) && direction_ != Direction::Out && allPortsArrive(*device);
      if ((relation.flags & kDedupePeer) != 0 || fromPorts) relation.flags |= kDedupeAllIn;
      // All packets that the master sends come from its ports or the host, so all were seen before.
      if (direction_ != Direction::Both || (relation.flags & kDedupeMaster) == 0) continue;
      if (allPortsArrive(*find(relation.master))) relation.flags |= kDedupeAllOut;
    }
    return std::move(relations_);
  }

 private:
  [[nodiscard]] const DedupeDevice* find(std::uint32_t index) const {
    const auto found = devices_.find(index);
    return found == devices_.end() ? nullptr : found->second;
  }

  [[nodiscard]] const DedupeDevice* masterOf(const DedupeDevice& device) const {
    const DedupeDevice* master = find(device.master);
    return master != nullptr && passesOn(master->kind) ? master : nullptr;
  }

  [[nodiscard]] std::uint32_t ownFlags(const DedupeDevice& device) const {
    std::uint32_t flags = 0;
    if (device.selected && direction_ != Direction::Out && !marksUnseen(device.kind)) {
      flags |= kDedupeTaken | kDedupeArrivals;
    }
    const DedupeDevice* peer = find(device.peer);
    if (direction_ == Direction::Both && peer != nullptr && peer->selected) flags |= kDedupePeer | kDedupeArrivals;
    return flags;
  }

  // Visits each master once, so that a cycle of masters ends.
  bool allPortsArrive(const DedupeDevice& device) {
    const auto ports = ports_.find(device.index);
    if (ports == ports_.end()) return false;
    const auto [known, first] = allArrive_.emplace(device.index, false);
    if (!first) return known->second;
    for (const DedupeDevice* port : ports->second) {
      if (!arrivals(*port)) return false;
    }
    return known->second = true;
  }

  bool arrivals(const DedupeDevice& device) {
    std::uint32_t& flags = relations_[device.index].flags;
    if ((flags & kDedupeArrivals) != 0) return true;
    if ((!passesOn(device.kind) && device.kind != "vrf") || !allPortsArrive(device)) return false;
    flags |= kDedupeArrivals;
    return true;
  }

  Direction direction_;
  std::map<std::uint32_t, const DedupeDevice*> devices_;
  std::map<std::uint32_t, std::vector<const DedupeDevice*>> ports_;  // by master
  std::map<std::uint32_t, bool> allArrive_;                          // by master
  Relations relations_;
};

bool linkLocal(const Record& record) {
  static constexpr std::uint8_t prefix[] = {0x01, 0x80, 0xc2, 0x00, 0x00};
  return record.header->tp_snaplen >= 6 && std::memcmp(record.data(), prefix, sizeof prefix) == 0 &&
         record.data()[5] < 0x10;
}

}  // namespace

Relations relate(const std::vector<DedupeDevice>& devices, Direction direction) {
  return Planner(devices, direction).run();
}

bool duplicateByTopology(const DedupeRelation& relation, const Record& record) {
  if (record.from().sll_pkttype != kPacketOutgoing) return (relation.flags & kDedupeAllIn) != 0;
  return (relation.flags & kDedupeAllOut) != 0 && !linkLocal(record);
}

}  // namespace ringtap
