// A straightforward implementation of the deduplication rule for one processor: the reference for the program that
// core/bpf/dedupe_program.h assembles.
#pragma once

#include <linux/if_packet.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>

#include "core/bpf/dedupe.h"

namespace support {

struct Crossing {
  std::uint32_t index = 0;    // the device
  std::uint32_t ingress = 0;  // the device of arrival; equal to `index` on arrival
  std::uint8_t type = PACKET_HOST;
  std::uint32_t length = 0;
  std::span<const std::uint8_t> bytes{};
};

class DedupeModel {
 public:
  std::map<std::uint32_t, ringtap::DedupeRelation> relations;  // by device index; only devices with a slot

  // Whether the crossing is a duplicate. `accepted`: the rest of the filter accepts the packet.
  bool cross(const Crossing& at, bool accepted) {
    const ringtap::DedupeRelation own = of(at.index);
    if (at.type == PACKET_OUTGOING) return accepted && leaves(at, own);
    const auto source = bytesFrom(at, 6);
    const bool handedUp = last_.master == at.index && last_.length == at.length && last_.source == source;
    const bool before = (handedUp && last_.delivered) || (own.flags & ringtap::kDedupePeer) != 0;
    const bool here = accepted && (own.flags & ringtap::kDedupeTaken) != 0;
    last_ = {at.index, own.master, at.length, before || here, source};
    return accepted && before;
  }

 private:
  struct Arrival {
    std::uint32_t index = 0;
    std::uint32_t master = 0;
    std::uint32_t length = 0;
    bool delivered = false;
    std::array<std::uint8_t, 8> source{};
  };

  [[nodiscard]] ringtap::DedupeRelation of(std::uint32_t index) const {
    const auto found = relations.find(index);
    return found == relations.end() ? ringtap::DedupeRelation{} : found->second;
  }

  static std::array<std::uint8_t, 8> bytesFrom(const Crossing& at, std::size_t from) {
    std::array<std::uint8_t, 8> bytes{};
    if (at.bytes.size() >= from + bytes.size()) std::memcpy(bytes.data(), at.bytes.data() + from, bytes.size());
    return bytes;
  }

  [[nodiscard]] bool leaves(const Crossing& at, const ringtap::DedupeRelation& own) const {
    bool fromAnotherPort = false;
    if (at.ingress != 0) {
      if (!relations.contains(at.ingress)) return false;
      const ringtap::DedupeRelation origin = of(at.ingress);
      const bool sameCall = last_.index == at.ingress && last_.length == at.length;
      if ((origin.flags & ringtap::kDedupeArrivals) != 0 && (!sameCall || last_.delivered)) return true;
      fromAnotherPort = origin.master == own.master;
    }
    if ((own.flags & ringtap::kDedupeMaster) == 0 || fromAnotherPort) return false;
    const auto to = bytesFrom(at, 0);
    const bool linkLocal = to[0] == 1 && to[1] == 0x80 && to[2] == 0xc2 && to[3] == 0 && to[4] == 0 && to[5] < 16;
    return !linkLocal;
  }

  Arrival last_;
};

}  // namespace support
