#include "core/bpf/dedupe_program.h"

#include <linux/if_packet.h>

#include <cstddef>
#include <cstring>

namespace ringtap {

using namespace ebpf;

namespace {

// Offsets on the stack, from kDuplicates up.
constexpr std::int16_t kBytes = kDuplicates;        // 8 bytes of the packet
constexpr std::int16_t kDevice = kDuplicates + 8;   // a key: an ifindex
constexpr std::int16_t kNumber = kDuplicates + 12;  // a key: a slot
constexpr std::int16_t kFirst = kDuplicates + 16;   // a key: 0
constexpr std::int16_t kOrigin = kDuplicates + 20;  // the master of the device of arrival
constexpr std::int16_t kIsDuplicate = kDuplicates + 24;
constexpr std::int16_t kDelivers = kDuplicates + 28;  // if the packet is accepted, its path entry becomes delivered
static_assert(kDelivers + 4 == kCount);

// Four bytes of a packet as the number that a 32-bit load from memory gives.
std::int32_t machineWord(const std::uint8_t (&bytes)[4]) {
  std::int32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

void store(Assembler& out, std::int16_t off, std::int32_t value) {
  out.emit(BPF_ST | BPF_MEM | BPF_W, R10, 0, off, value);
}

// Copies 8 bytes of the packet to kBytes; zeros if the packet is shorter.
void loadBytes(Assembler& out, std::uint32_t from) {
  out.copy64(R1, R6);
  out.set(R2, from);
  out.copy64(R3, R10);
  out.emit(BPF_ALU64 | BPF_ADD | BPF_K, R3, 0, 0, kBytes);
  out.set(R4, 8);
  out.call(BPF_FUNC_skb_load_bytes);
}

}  // namespace

bool DedupeProgram::sight() {
  // R7 and R8 = flags and master of the packet's device; 0 if it has no slot.
  store(out_, kIsDuplicate, 0);
  store(out_, kDelivers, 0);
  store(out_, kFirst, 0);
  out_.set(R7, 0);
  out_.set(R8, 0);
  out_.context(R0, offsetof(__sk_buff, ifindex));
  out_.store32(kDevice, R0);
  out_.lookup(slotOf_, kDevice);
  const std::size_t unknown = out_.jump(BPF_JEQ, R0, 0);
  out_.load32(R0, R0, 0);
  out_.store32(kNumber, R0);
  out_.lookup(maps_.slots, kNumber);
  const std::size_t none = out_.jump(BPF_JEQ, R0, 0);
  out_.load32(R7, R0, offsetof(DedupeSlot, flags));
  out_.load32(R8, R0, offsetof(DedupeSlot, master));
  if (!out_.land(unknown) || !out_.land(none)) return false;
  std::vector<std::size_t> done;
  const std::size_t leaving = out_.jump32(BPF_JEQ, R9, PACKET_OUTGOING);
  sightArriving(done);
  if (!out_.land(leaving) || !sightLeaving(done)) return false;
  for (const std::size_t from : done) {
    if (!out_.land(from)) return false;
  }
  return true;
}

void DedupeProgram::sightArriving(std::vector<std::size_t>& done) {
  loadBytes(out_, 6);
  out_.lookup(maps_.path, kFirst);
  done.push_back(out_.jump(BPF_JEQ, R0, 0));
  // R1 = whether it was delivered before. R2 = this device, R3 = the length, R4 = the source.
  out_.set(R1, 0);
  out_.load32(R2, R10, kDevice);
  out_.context(R3, offsetof(__sk_buff, len));
  out_.emit(BPF_LDX | BPF_MEM | BPF_DW, R4, R10, kBytes, 0);
  std::vector<std::size_t> fresh;
  const auto differs = [&](std::uint8_t width, std::uint8_t size, std::size_t field, std::uint8_t reg) {
    out_.emit(BPF_LDX | BPF_MEM | size, R5, R0, static_cast<std::int16_t>(field), 0);
    out_.emit(width | BPF_JNE | BPF_X, R5, reg, 0, 0);
    fresh.push_back(out_.last());
  };
  differs(BPF_JMP32, BPF_W, offsetof(DedupePath, master), R2);
  differs(BPF_JMP32, BPF_W, offsetof(DedupePath, length), R3);
  differs(BPF_JMP, BPF_DW, offsetof(DedupePath, source), R4);
  out_.load32(R1, R0, offsetof(DedupePath, delivered));
  for (const std::size_t from : fresh) (void)out_.land(from);
  const std::size_t noPeer = out_.jumpUnless(R7, kDedupePeer);
  out_.set(R1, 1);
  (void)out_.land(noPeer);
  out_.store32(kIsDuplicate, R1);
  const auto note = [&](std::uint8_t size, std::size_t field, std::uint8_t reg) {
    out_.emit(BPF_STX | BPF_MEM | size, R0, reg, static_cast<std::int16_t>(field), 0);
  };
  note(BPF_W, offsetof(DedupePath, index), R2);
  note(BPF_W, offsetof(DedupePath, master), R8);
  note(BPF_W, offsetof(DedupePath, length), R3);
  note(BPF_W, offsetof(DedupePath, delivered), R1);
  note(BPF_DW, offsetof(DedupePath, source), R4);
  done.push_back(out_.jumpUnless(R7, kDedupeTaken));
  store(out_, kDelivers, 1);
  done.push_back(out_.jumpAlways());
}

bool DedupeProgram::sightLeaving(std::vector<std::size_t>& done) {
  std::vector<std::size_t> duplicate;
  std::vector<std::size_t> unseen;  // not seen on arrival
  out_.context(R1, offsetof(__sk_buff, ingress_ifindex));
  out_.store32(kDevice, R1);
  const std::size_t ownPacket = out_.jump32(BPF_JEQ, R1, 0);

  // The packet arrived at a device. If that has no slot, the packet is delivered.
  out_.lookup(slotOf_, kDevice);
  done.push_back(out_.jump(BPF_JEQ, R0, 0));
  out_.load32(R0, R0, 0);
  out_.store32(kNumber, R0);
  out_.lookup(maps_.slots, kNumber);
  done.push_back(out_.jump(BPF_JEQ, R0, 0));
  out_.load32(R1, R0, offsetof(DedupeSlot, master));
  out_.store32(kOrigin, R1);
  out_.load32(R1, R0, offsetof(DedupeSlot, flags));
  unseen.push_back(out_.jumpUnless(R1, kDedupeArrivals));
  // It is a duplicate, unless this packet was not delivered on arrival: the filter may have refused it in its form at
  // that time (address translation), or it came through a port that is not captured. The path records that only within
  // the same call; a packet that was queued in between counts as delivered.
  out_.lookup(maps_.path, kFirst);
  duplicate.push_back(out_.jump(BPF_JEQ, R0, 0));
  const auto differs = [&](std::size_t field, std::uint8_t reg) {
    out_.load32(R2, R0, static_cast<std::int16_t>(field));
    out_.emit(BPF_JMP32 | BPF_JNE | BPF_X, R2, reg, 0, 0);
    duplicate.push_back(out_.last());
  };
  out_.load32(R1, R10, kDevice);
  differs(offsetof(DedupePath, index), R1);
  out_.context(R1, offsetof(__sk_buff, len));
  differs(offsetof(DedupePath, length), R1);
  out_.load32(R1, R0, offsetof(DedupePath, delivered));
  duplicate.push_back(out_.jump32(BPF_JNE, R1, 0));
  for (const std::size_t from : unseen) {
    if (!out_.land(from)) return false;
  }
  // The packet may have left through the master of this device just before, but not if it came from another of its
  // ports.
  done.push_back(out_.jumpUnless(R7, kDedupeMaster));
  out_.load32(R1, R10, kOrigin);
  out_.emit(BPF_JMP32 | BPF_JEQ | BPF_X, R1, R8, 0, 0);
  done.push_back(out_.last());
  const std::size_t viaMaster = out_.jumpAlways();

  if (!out_.land(ownPacket)) return false;
  done.push_back(out_.jumpUnless(R7, kDedupeMaster));
  if (!out_.land(viaMaster)) return false;
  // A frame to 01:80:c2:00:00:0X was sent at this port alone (spanning tree, LLDP, LACP).
  loadBytes(out_, 0);
  out_.load32(R1, R10, kBytes);
  duplicate.push_back(out_.jump32(BPF_JNE, R1, machineWord({0x01, 0x80, 0xc2, 0x00})));
  out_.load32(R1, R10, kBytes + 4);
  out_.emit(BPF_ALU | BPF_AND | BPF_K, R1, 0, 0, machineWord({0xff, 0xf0, 0x00, 0x00}));
  done.push_back(out_.jump32(BPF_JEQ, R1, 0));
  for (const std::size_t from : duplicate) {
    if (!out_.land(from)) return false;
  }
  store(out_, kIsDuplicate, 1);
  return true;
}

bool DedupeProgram::accept(std::vector<std::size_t>& refuse) {
  out_.load32(R1, R10, kIsDuplicate);
  const std::size_t fresh = out_.jump32(BPF_JEQ, R1, 0);
  out_.lookup(maps_.slots, kKey);
  refuse.push_back(out_.jump(BPF_JEQ, R0, 0));
  out_.increment(R0, offsetof(DedupeSlot, duplicates));
  refuse.push_back(out_.jumpAlways());
  if (!out_.land(fresh)) return false;
  out_.load32(R1, R10, kDelivers);
  const std::size_t leave = out_.jump32(BPF_JEQ, R1, 0);
  out_.copy32(R7, R0);
  out_.lookup(maps_.path, kFirst);
  const std::size_t none = out_.jump(BPF_JEQ, R0, 0);
  out_.emit(BPF_ST | BPF_MEM | BPF_W, R0, 0, offsetof(DedupePath, delivered), 1);
  if (!out_.land(none)) return false;
  out_.copy32(R0, R7);
  return out_.land(leave);
}

}  // namespace ringtap
