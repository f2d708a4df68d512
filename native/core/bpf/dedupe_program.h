// Detects duplicates (core/bpf/dedupe.h) in the eBPF filter. For each packet it uses, besides the packet's device:
//
// - skb->skb_iif, the device it arrived at: set at each arrival (__netif_receive_skb_core(), net/core/dev.c), kept
//   while the host bridges or routes it, 0 for packets that the host itself sends; cleared by tunnels and between the
//   ends of a veth (skb_scrub_packet(), net/core/skbuff.c). So a packet that leaves has the index of its earlier
//   sighting.
// - The latest arrival on this processor. A bridge passes a packet up to the host during the packet's arrival at the
//   port, on the same processor (br_pass_frame_up(), net/bridge/br_input.c; a bond likewise). At the bridge skb_iif is
//   already the bridge; the port is the device of the latest arrival. If the packet is queued in between (RPS on the
//   bridge device itself, a queue to user space), length or source address of the latest arrival differ, and the packet
//   counts as new.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <vector>

#include "core/bpf/dedupe.h"
#include "core/bpf/ebpf_assembler.h"

namespace ringtap {

// The relation of a device to the others, and its number of duplicates. Slot numbers are those of the verdicts.
struct DedupeSlot {
  std::uint32_t flags;  // of DedupeRelation
  std::uint32_t master;
  std::uint64_t duplicates;
};

// The latest arrival on a processor.
struct DedupePath {
  std::uint32_t index;   // of the device
  std::uint32_t master;  // of that device
  std::uint32_t length;
  std::uint32_t delivered;  // nonzero: delivered, at this device or before
  std::uint64_t source;     // bytes 6 to 13 of the packet: source address and type
};

struct DedupeMapFds {
  int slots = -1;  // array of DedupeSlot
  int path = -1;   // per-processor array of one DedupePath
};

// The parts of the whole program. Each returns false if a jump is too long for eBPF.
class DedupeProgram {
 public:
  // `slotOf`: hash from ifindex to slot.
  DedupeProgram(std::vector<bpf_insn>& code, int slotOf, const DedupeMapFds& maps)
      : out_(code), slotOf_(slotOf), maps_(maps) {}

  // Must run first and for every packet: a refused sighting may precede one that is accepted. Expects the context in R6
  // and the packet's type in R9; preserves these two and overwrites all other registers.
  [[nodiscard]] bool sight();
  // Runs on packets that all other checks accept, with the slot number on the stack at kKey. For a new packet execution
  // continues after it, R0 preserved; a duplicate is counted and takes the jump added to `refuse`.
  [[nodiscard]] bool accept(std::vector<std::size_t>& refuse);

 private:
  void sightArriving(std::vector<std::size_t>& done);
  [[nodiscard]] bool sightLeaving(std::vector<std::size_t>& done);

  ebpf::Assembler out_;
  int slotOf_;
  DedupeMapFds maps_;
};

}  // namespace ringtap
