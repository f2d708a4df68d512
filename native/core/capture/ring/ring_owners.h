// Assigns rings to single interfaces. Ring 0 receives from all others: interfaces for which no ring was free, those
// without a verdict, and those not yet reported.
//
// Keyed by index, because the kernel's program has nothing else of a packet's interface. Only the order of packets
// depends on the ring, not what becomes of them: it does no harm that the packets of an index used again go to the ring
// of the earlier device until the two events are applied.
//
// Owned by the RingIntake. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filter/filter_instruction.h"

namespace ringtap {

class RingOwners {
 public:
  // `rings`: their number, ring 0 included.
  explicit RingOwners(std::uint32_t rings) : owners_(rings, 0) {}

  // The interface is captured: assigns it the first free ring, or queues it for one. No effect if added already.
  void add(std::uint32_t interface);
  // The interface is gone or no longer captured: its ring goes to the interface that has waited longest. No effect on
  // an unknown one.
  void remove(std::uint32_t interface);

  // Whether program() has changed since markInstalled() was last called.
  [[nodiscard]] bool changed() const { return changed_; }
  void markInstalled() { changed_ = false; }
  // For PACKET_FANOUT_CBPF: returns the number of the ring for a packet, by its interface.
  [[nodiscard]] FilterProgram program() const;

 private:
  std::vector<std::uint32_t> owners_;   // by ring; 0: free. Entry 0 is unused.
  std::vector<std::uint32_t> waiting_;  // longest first
  bool changed_ = true;
};

}  // namespace ringtap
