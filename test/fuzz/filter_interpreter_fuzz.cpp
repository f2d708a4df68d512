// Runs arbitrary classic programs on arbitrary packets: a program that validateFilter accepts must terminate and never
// read out of bounds. Half of the inputs also run in the eBPF mode, which must return the same result.
#include <algorithm>
#include <cstring>

#include "core/bpf/ebpf_translation.h"
#include "core/filter/filter.h"
#include "core/filter/filter_interpreter.h"
#include "fuzz.h"
#include "support/ebpf_machine.h"
#include "support/random_filter.h"

using namespace ringtap;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  support::Choices choices(data + 2, size - 2);
  FilterProgram program;
  std::vector<std::uint8_t> bytes;
  if ((data[0] & 1) != 0) {
    // Raw, unchecked instructions, followed by the packet.
    const std::size_t count = std::min<std::size_t>(data[1], (size - 2) / sizeof(FilterInstruction));
    program.resize(count);
    if (count > 0) std::memcpy(program.data(), data + 2, count * sizeof(FilterInstruction));
    bytes.assign(data + 2 + count * sizeof(FilterInstruction), data + size);
  } else {
    program = support::randomProgram(choices, true, 64);
    bytes = choices.bytes(choices.below(200));
  }
  (void)filterListing(program);
  if (!validateFilter(program).ok()) return 0;
  support::Choices packet(bytes.data(), bytes.size());
  const PacketMetadata metadata = support::randomMetadata(packet);
  const auto length = static_cast<std::uint32_t>(bytes.size()) + data[1];
  const std::uint32_t verdict = runFilter(program, bytes, length, metadata);

  std::vector<bpf_insn> code{{BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0}};
  const auto translated = translateCbpf(program, code);
  if (!translated) return 0;
  code.push_back({BPF_JMP | BPF_EXIT, 0, 0, 0, 0});
  support::EbpfMachine machine;
  const auto same = machine.run(code, bytes, length, metadata);
  if (!same) std::fprintf(stderr, "at %zu: %s\n", machine.faultAt(), machine.fault());
  EXPECT(same == verdict);
  return 0;
}
