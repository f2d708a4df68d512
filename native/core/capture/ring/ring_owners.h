// Which interfaces have a ring of their own, where rings are given to single interfaces. Ring 0 serves all others:
// interfaces for which no ring was free, those without a verdict, and those not known yet.
//
// Owner: the RingIntake. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "core/bpf/filter_instruction.h"

namespace ringtap {

class RingOwners {
 public:
  // `rings`: how many there are, ring 0 included.
  explicit RingOwners(std::uint32_t rings) : owners_(rings, 0) {}

  // The interface is captured: it gets the first free ring, or waits for one. Nothing for one that is known already.
  void add(std::uint32_t interface);
  // It is not captured any more, or has gone: its ring goes to whoever has waited longest. Nothing for one unknown.
  void remove(std::uint32_t interface);

  // Whether program() has changed since settled() was last called.
  [[nodiscard]] bool changed() const { return changed_; }
  void settled() { changed_ = false; }
  // For PACKET_FANOUT_CBPF: the number of the ring for a packet, by the interface it is on.
  [[nodiscard]] FilterProgram program() const;

 private:
  std::vector<std::uint32_t> owners_;   // by ring; 0: free. The first is never used.
  std::vector<std::uint32_t> waiting_;  // the longest first
  bool changed_ = true;
};

}  // namespace ringtap
