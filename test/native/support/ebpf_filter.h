// Runs the eBPF mode of a socket filter in the machine of ebpf_machine.h, with the maps laid out as in KernelFilter.
#pragma once

#include <linux/if_arp.h>

#include <cstring>
#include <optional>

#include "core/bpf/ebpf_program.h"
#include "support/addresses.h"
#include "support/connections.h"
#include "support/ebpf_machine.h"
#include "support/verdict.h"

namespace support {

class EbpfFilterModel {
 public:
  EbpfFilterModel(const ringtap::FilterSpec& spec, bool acceptUnlisted, bool dedupe = false) {
    machine.maps[kSlotOf] = {.valueSize = 4, .entries = 64};
    machine.maps[kSlots] = {.array = true, .valueSize = sizeof(ringtap::Slot), .entries = 64};
    machine.maps[kUnlisted] = {.valueSize = 8, .entries = 64};
    ringtap::EbpfMaps fds{kSlotOf, kSlots, kUnlisted};
    if (dedupe) {
      machine.maps[kRelations] = {.array = true, .valueSize = sizeof(ringtap::DedupeSlot), .entries = 64};
      machine.maps[kPath] = {.array = true, .valueSize = sizeof(ringtap::DedupePath), .entries = 1};
      fds.dedupe = ringtap::DedupeMapFds{kRelations, kPath};
    }
    if (spec.addresses) fds.addresses = addressMaps(spec.addresses->addresses());
    if (spec.connections) fds.connections = connectionMaps(spec.connections->connections());
    auto assembled = ringtap::assembleEbpf(spec, acceptUnlisted, fds);
    if (assembled.ok()) code = std::move(*assembled);
  }

  void list(std::uint32_t index, std::uint16_t hardwareType, bool refused) {
    const auto slot = static_cast<std::uint32_t>(machine.maps[kSlotOf].values.size());
    ringtap::Slot entry{};
    if (refused) entry.flags |= ringtap::kSlotRefused;
    if (hardwareType == ARPHRD_LOOPBACK) entry.flags |= ringtap::kSlotLoopback;
    const std::uint32_t ordinal = ringtap::linkTypeOrdinal(ringtap::linkTypeOf(hardwareType));
    entry.flags |= ordinal << ringtap::kSlotLinkTypeShift;
    std::memcpy(machine.maps[kSlots].find(slot), &entry, sizeof entry);
    auto& value = machine.maps[kSlotOf].values[index];
    value.resize(4);
    std::memcpy(value.data(), &slot, 4);
  }

  // Sets the relation of a listed interface to the others.
  void relate(std::uint32_t index, const ringtap::DedupeRelation& relation) {
    std::uint32_t slot;
    std::memcpy(&slot, machine.maps[kSlotOf].find(index), sizeof slot);
    ringtap::DedupeSlot entry{relation.flags, relation.master, 0};
    std::memcpy(machine.maps[kRelations].find(slot), &entry, offsetof(ringtap::DedupeSlot, duplicates));
  }

  std::uint64_t duplicates() { return sum(kRelations, offsetof(ringtap::DedupeSlot, duplicates)); }

  // The number of packets counted as accepted, on listed and unlisted interfaces.
  std::uint64_t accepted() { return sum(kSlots, offsetof(ringtap::Slot, accepted)) + sum(kUnlisted, 0); }

  // The number of packets counted as refused by the sampling.
  std::uint64_t sampledOut() { return sum(kSlots, offsetof(ringtap::Slot, sampledOut)); }

  EbpfMachine machine;
  std::vector<bpf_insn> code;  // empty if assembly failed

 private:
  static constexpr int kSlotOf = 3, kSlots = 4, kUnlisted = 5, kRelations = 6, kPath = 7, kAddresses4 = 8,
                       kPrefixes4 = 9, kAddresses6 = 10, kPrefixes6 = 11, kConnections4 = 12, kConnections6 = 13;

  std::uint64_t sum(int map, std::size_t offset) {
    std::uint64_t all = 0;
    for (auto& [key, value] : machine.maps[map].values) {
      std::uint64_t one;
      std::memcpy(&one, value.data() + offset, sizeof one);
      all += one;
    }
    return all;
  }

  // Fills the maps as core/bpf/address_maps.cpp fills the kernel's.
  ringtap::AddressMapFds addressMaps(const ringtap::AddressSet& addresses) {
    ringtap::AddressMapFds fds;
    fds.including = addresses.including();
    fill(addresses.v4(), kAddresses4, kPrefixes4, fds.addresses4, fds.prefixes4);
    fill(addresses.v6(), kAddresses6, kPrefixes6, fds.addresses6, fds.prefixes6);
    return fds;
  }

  // Fills the maps as core/bpf/connection_maps.cpp fills the kernel's.
  ringtap::ConnectionMapFds connectionMaps(const ringtap::ConnectionSet& connections) {
    ringtap::ConnectionMapFds fds;
    fill(connections.v4(), kConnections4, fds.v4);
    fill(connections.v6(), kConnections6, fds.v6);
    return fds;
  }
  template <std::size_t Words>
  void fill(const std::vector<ringtap::ConnectionKey<Words>>& keys, int number, std::optional<int>& fd) {
    if (keys.empty()) return;
    fd = number;
    EbpfMap& map = machine.maps[number];
    map.valueSize = 4;
    map.keySize = sizeof(ringtap::ConnectionKey<Words>);
    for (const auto& key : keys) {
      std::vector<std::uint8_t> bytes(sizeof key);
      std::memcpy(bytes.data(), key.data(), sizeof key);
      map.byBytes[bytes] = {1, 0, 0, 0};
    }
  }
  template <typename Bits>
  void fill(const ringtap::AddressSet::Family<Bits>& family, int singles, int prefixes, std::optional<int>& addressesFd,
            std::optional<int>& prefixesFd) {
    for (const auto& entry : family.entries) {
      const bool single = entry.length == 8 * sizeof(Bits);
      (single ? addressesFd : prefixesFd) = single ? singles : prefixes;
      EbpfMap& map = machine.maps[single ? singles : prefixes];
      map.valueSize = 4;
      map.trie = !single;
      map.keySize = sizeof(Bits) + (single ? 0 : 4);
      std::vector<std::uint8_t> key;
      if (!single) key = {entry.length, 0, 0, 0};
      putBits(key, entry.first, sizeof(Bits));
      map.byBytes[key] = {entry.flags, 0, 0, 0};
    }
  }
};

}  // namespace support
