// The classic BPF that hashes a packet's flow (core/bpf/sample.h). All filter modes run the same code: the classic
// program contains it, the eBPF program its translation, and user space interprets it.
#pragma once

#include "core/bpf/cbpf_writer.h"
#include "core/bpf/sample.h"
#include "core/filter/filter_instruction.h"

namespace ringtap {

// Appends the decision on a packet. A: the result of the locator of addresses. Execution continues at one of the
// labels, which may be at any distance. Overwrites A, X, and M[2] to M[9].
void appendSample(CbpfWriter& out, const Sample& sample, CbpfWriter::Label take, CbpfWriter::Label refuse);

inline constexpr std::uint32_t kSampled = 1, kSampledOut = 2;
// The same as a program, which returns one of these two numbers. It expects the locator's result in A.
[[nodiscard]] FilterProgram sampleProgram(const Sample& sample);

}  // namespace ringtap
