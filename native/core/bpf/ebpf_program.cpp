#include "core/bpf/ebpf_program.h"

#include <linux/filter.h>
#include <linux/if_packet.h>

#include <cstddef>

#include "core/bpf/address_locator.h"
#include "core/bpf/ebpf_assembler.h"
#include "core/bpf/ebpf_translation.h"
#include "core/bpf/locator_dispatch.h"
#include "core/bpf/sample_filter.h"
#include "core/bpf/sample_program.h"
#include "core/bpf/slice_filter.h"
#include "core/bpf/slice_program.h"
#include "core/util/link_type.h"

namespace ringtap {

using namespace ebpf;

namespace {

// Accepts a packet of an interface without a slot, whose index is at kKey, and counts it while the map has room.
[[nodiscard]] bool acceptAndCount(Assembler& out, const EbpfMaps& maps) {
  out.lookup(maps.unlistedMap, kKey);
  const std::size_t counted = out.jump(BPF_JNE, R0, 0);
  out.emit(BPF_ST | BPF_MEM | BPF_DW, R10, 0, kCount, 0);
  out.mapAndKey(maps.unlistedMap, kKey);
  out.copy64(R3, R10);
  out.emit(BPF_ALU64 | BPF_ADD | BPF_K, R3, 0, 0, kCount);
  out.set(R4, BPF_NOEXIST);
  out.call(BPF_FUNC_map_update_elem);
  out.lookup(maps.unlistedMap, kKey);
  const std::size_t full = out.jump(BPF_JEQ, R0, 0);
  if (!out.land(counted)) return false;
  out.increment(R0, 0);
  if (!out.land(full)) return false;
  out.set(R0, kWholePacket);
  out.exit();
  return true;
}

// Appends the user's filter for each link type; R1 has the slot's flags. `decided`: jumps with the verdict in R0.
// Continues after the appended code if the link type has no filter.
Result<> appendFilters(const FilterSpec& spec, std::vector<bpf_insn>& code, std::vector<std::size_t>& decided) {
  Assembler out(code);
  out.emit(BPF_ALU | BPF_RSH | BPF_K, R1, 0, 0, kSlotLinkTypeShift);
  for (const LinkTypeFilter& link : spec.programs) {
    const std::size_t other = out.jump32(BPF_JNE, R1, linkTypeOrdinal(link.linkType));
    if (auto translated = translateCbpf(link.instructions, code); !translated) return translated;
    decided.push_back(out.jumpAlways());
    if (!out.land(other)) return tooFar();
  }
  return {};
}

// Runs a program that expects what the locator of addresses found. `ordinal`: as of appendLocators(). Overwrites what
// translateCbpf() does.
Result<> appendBehindLocators(const FilterProgram& program, std::uint8_t ordinal, std::vector<bpf_insn>& code) {
  if (auto located = appendLocators(locators(), ordinal, kNoAddresses, code); !located) return located;
  return translateCbpf(program, code, Accumulator::Given);
}

// Appends the sampling of a packet that the filter accepts, whose slot's address is in R8. Continues after the appended
// code with R0 as before if the packet is taken.
Result<> appendSampling(const SampleFilter& sample, std::uint8_t ordinal, std::vector<bpf_insn>& code,
                        std::vector<std::size_t>& refuse) {
  Assembler out(code);
  out.store32(kSample, R0);
  if (auto run = appendBehindLocators(sample.program(), ordinal, code); !run) return run;
  const std::size_t taken = out.jump32(BPF_JEQ, R0, kSampled);
  out.increment(R8, offsetof(Slot, sampledOut));
  refuse.push_back(out.jumpAlways());
  if (!out.land(taken)) return tooFar();
  out.load32(R0, R10, kSample);
  return {};
}

// Appends the search for the slot of the packet's interface. Continues after the appended code with the slot's address
// in R8 and its flags in R1; packets of interfaces without a slot, and those that the slot refuses, end before. R9: the
// packet's type.
Result<> appendSlot(bool acceptUnlisted, const EbpfMaps& maps, std::vector<bpf_insn>& code,
                    std::vector<std::size_t>& refuse) {
  Assembler out(code);
  out.context(R0, offsetof(__sk_buff, ifindex));
  out.store32(kKey, R0);
  out.lookup(maps.slotOf, kKey);
  const std::size_t known = out.jump(BPF_JNE, R0, 0);

  if (acceptUnlisted) {
    if (!acceptAndCount(out, maps)) return tooFar();
  } else {
    out.set(R0, 0);
    out.exit();
  }

  if (!out.land(known)) return tooFar();
  out.load32(R0, R0, 0);
  out.store32(kKey, R0);
  out.lookup(maps.slots, kKey);
  refuse.push_back(out.jump(BPF_JEQ, R0, 0));
  out.copy64(R8, R0);
  out.load32(R1, R8, offsetof(Slot, flags));
  refuse.push_back(out.jump32(BPF_JSET, R1, kSlotRefused));
  const std::size_t arriving = out.jump32(BPF_JNE, R9, PACKET_OUTGOING);
  refuse.push_back(out.jump32(BPF_JSET, R1, kSlotLoopback));
  if (!out.land(arriving)) return tooFar();
  return {};
}

// Appends what a packet that the expression accepts has to pass besides, and how much of it is kept. R0: the length
// that the expression keeps, not 0; R8: the slot's address. Continues after the appended code with the length to keep
// in R0.
Result<> appendConditions(const FilterSpec& spec, const EbpfMaps& maps, std::optional<DedupeProgram>& dedupe,
                          std::vector<bpf_insn>& code, std::vector<std::size_t>& refuse) {
  Assembler out(code);
  const auto loadOrdinal = [&] {
    out.load32(R1, R8, offsetof(Slot, flags));
    out.emit(BPF_ALU | BPF_RSH | BPF_K, R1, 0, 0, kSlotLinkTypeShift);
  };
  if (maps.addresses) {
    loadOrdinal();
    if (auto checked = appendAddressCheck(*maps.addresses, R1, code, refuse); !checked) return checked;
  }
  if (maps.connections) {
    loadOrdinal();
    if (auto checked = appendConnectionCheck(*maps.connections, R1, code, refuse); !checked) return checked;
  }
  if (dedupe && !dedupe->accept(refuse)) return tooFar();
  if (spec.sample) {
    loadOrdinal();
    if (auto checked = appendSampling(*spec.sample, R1, code, refuse); !checked) return checked;
  }
  if (maps.cutoff) {
    loadOrdinal();
    if (auto checked = appendCutoff(*maps.cutoff, R1, code, refuse); !checked) return checked;
  }
  if (spec.slice != Slice::None) {
    loadOrdinal();
    const FilterProgram slice = sliceProgram(spec.slice, spec.snapshotLength);
    if (auto measured = appendBehindLocators(slice, R1, code); !measured) return measured;
  }
  return {};
}

}  // namespace

Result<std::vector<bpf_insn>> assembleEbpf(const FilterSpec& spec, bool acceptUnlisted, const EbpfMaps& maps) {
  std::vector<bpf_insn> code;
  Assembler out(code);
  std::vector<std::size_t> refuse;  // jumps to the refusing end

  out.copy64(R6, R1);
  out.context(R9, offsetof(__sk_buff, pkt_type));
  std::optional<DedupeProgram> dedupe;
  if (maps.dedupe) dedupe.emplace(code, maps.slotOf, *maps.dedupe);
  if (dedupe && !dedupe->sight()) return tooFar();
  if (spec.direction == Direction::In) refuse.push_back(out.jump32(BPF_JEQ, R9, PACKET_OUTGOING));
  if (spec.direction == Direction::Out) refuse.push_back(out.jump32(BPF_JNE, R9, PACKET_OUTGOING));
  if (auto found = appendSlot(acceptUnlisted, maps, code, refuse); !found) return found.error();

  std::vector<std::size_t> decided;
  if (spec.filtered) {
    if (auto appended = appendFilters(spec, code, decided); !appended) return appended.error();
    refuse.push_back(out.jumpAlways());
  } else {
    out.set(R0, spec.snapshotLength);
  }
  if (!spec.filtered || !decided.empty()) {  // otherwise this is unreachable, which the verifier refuses
    for (const std::size_t from : decided) {
      if (!out.land(from)) return tooFar();
    }
    refuse.push_back(out.jump32(BPF_JEQ, R0, 0));
    if (auto passed = appendConditions(spec, maps, dedupe, code, refuse); !passed) return passed.error();
    out.increment(R8, offsetof(Slot, accepted));
    out.exit();
  }
  for (const std::size_t from : refuse) {
    if (!out.land(from)) return tooFar();
  }
  out.set(R0, 0);
  out.exit();
  return code;
}

}  // namespace ringtap
