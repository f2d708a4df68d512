#include "core/capture/ring/processor_program.h"

#include <linux/filter.h>

namespace ringtap {

// The kernel divides the result by the number of rings and uses the rest (fanout_demux_bpf(), af_packet.c).
FilterProgram programByProcessor(std::span<const std::uint32_t> processors) {
  FilterProgram program{{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_CPU)}};
  for (std::uint32_t ring = 0; ring < processors.size(); ++ring) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, processors[ring]});
    program.push_back({BPF_RET | BPF_K, 0, 0, ring});
  }
  program.push_back({BPF_RET | BPF_A, 0, 0, 0});
  return program;
}

}  // namespace ringtap
