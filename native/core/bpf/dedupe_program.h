// The rule on duplicates (core/bpf/dedupe.h) in the eBPF mode of the filter. Beside its device it reads of a
// packet:
//
// - skb->skb_iif, where it arrived: set at each arrival (__netif_receive_skb_core(), net/core/dev.c), kept while the
//   host bridges or routes it, 0 for what the host itself sends; cleared by tunnels and between the ends of a veth
//   (skb_scrub_packet(), net/core/skbuff.c). So a packet that leaves names the device of its earlier sighting.
// - What this processor saw arrive last. A bridge hands a packet up to the host from within the arrival at its port, on
//   the same processor (br_pass_frame_up(), net/bridge/br_input.c; a bond likewise). At the bridge skb_iif is the
//   bridge's already; the port is the device of that last arrival. Where something comes between (RPS on the bridge
//   device itself, a queue to user space), length and source address differ, and the packet counts as new.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <vector>

#include "core/bpf/dedupe.h"
#include "core/bpf/ebpf_assembler.h"

namespace ringtap {

// How a device stands to the others, and how many duplicates were found there. By the same slots as the verdicts.
struct DedupeSlot {
  std::uint32_t flags;  // of DedupeRelation
  std::uint32_t master;
  std::uint64_t duplicates;
};

// The packet that arrived last on a processor.
struct DedupePath {
  std::uint32_t index;   // where
  std::uint32_t master;  // of that device
  std::uint32_t length;
  std::uint32_t delivered;  // not 0: it is, there or before
  std::uint64_t source;     // its bytes 6 to 13: source address and type
};

struct DedupeMapFds {
  int slots = -1;  // array of DedupeSlot
  int path = -1;   // per-processor array of one DedupePath
};

// Its parts in the whole program. Each returns false where a jump is too long for eBPF.
class DedupeProgram {
 public:
  // `slotOf`: hash from ifindex to slot.
  DedupeProgram(std::vector<bpf_insn>& code, int slotOf, const DedupeMapFds& maps)
      : out_(code), slotOf_(slotOf), maps_(maps) {}

  // First of all, for every packet there is: who is refused may be the first sighting of one that is not. With the
  // context in R6 and the packet's type in R9; these two stay, all other registers are void.
  [[nodiscard]] bool sight();
  // For a packet that everything else accepts, of the slot whose number is on the stack at kKey: goes on, with R0 as it
  // is, for a packet that is new; for a duplicate, counts it and takes the jump that is returned in `refuse`.
  [[nodiscard]] bool accept(std::vector<std::size_t>& refuse);

 private:
  void sightArriving(std::vector<std::size_t>& done);
  [[nodiscard]] bool sightLeaving(std::vector<std::size_t>& done);

  ebpf::Assembler out_;
  int slotOf_;
  DedupeMapFds maps_;
};

}  // namespace ringtap
