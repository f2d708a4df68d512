// The exports of the addon that exist on Linux alone.
#include <cstdint>

#include "binding/util/exports.h"
#include "binding/util/layouts.h"
#include "core/bpf/cbpf_program.h"
#include "core/bpf/cutoff.h"
#include "core/bpf/kernel_filter.h"
#include "core/bpf/slice.h"
#include "core/capture/ring/ring.h"
#include "core/links/hardware_timestamps.h"
#include "core/send/send_tally.h"

namespace ringtap::binding {

void initLinux(js::Env env, js::Object exports) {
  initCapture(env, exports);
  initProbe(env, exports);
  initInterfaces(env, exports);
  initPeers(env, exports);
  initOwners(env, exports);
  initInject(env, exports);
  initReplay(env, exports);
}

void addLinuxLayouts(js::Env env, js::Object layouts) {
  layouts.Set("Refusal", numbersOf<Refusal>(env, {{"None", Refusal::None},
                                                  {"TooShort", Refusal::TooShort},
                                                  {"TooLong", Refusal::TooLong},
                                                  {"InterfaceDown", Refusal::InterfaceDown},
                                                  {"InterfaceGone", Refusal::InterfaceGone},
                                                  {"NoRoom", Refusal::NoRoom},
                                                  {"Truncated", Refusal::Truncated},
                                                  {"LinkType", Refusal::LinkType},
                                                  {"Checksum", Refusal::Checksum},
                                                  {"Other", Refusal::Other}}));
  layouts.Set("PacketFlag", numbersOf<std::uint32_t>(env, {{"Packet", packet_flag::kPacket},
                                                           {"ChecksumPending", packet_flag::kChecksumPending}}));
  layouts.Set("Direction",
              numbersOf<Direction>(env, {{"Both", Direction::Both}, {"In", Direction::In}, {"Out", Direction::Out}}));
  layouts.Set("FilterMode", numbersOf<FilterMode>(env, {{"Auto", FilterMode::Auto},
                                                        {"Ebpf", FilterMode::Ebpf},
                                                        {"Classic", FilterMode::Classic},
                                                        {"None", FilterMode::None}}));
  layouts.Set("Slice", numbersOf<Slice>(env, {{"None", Slice::None}, {"L4", Slice::L4}, {"Headers", Slice::Headers}}));
  layouts.Set("CutoffMark",
              numbersOf<CutoffMark>(
                  env, {{"Normal", CutoffMark::Normal}, {"Bypass", CutoffMark::Bypass}, {"Keep", CutoffMark::Keep}}));
  layouts.Set("Sharing", numbersOf<Sharing>(env, {{"ByFlow", Sharing::ByFlow},
                                                  {"ByInterface", Sharing::ByInterface},
                                                  {"ByProcessor", Sharing::ByProcessor}}));
  layouts.Set("HardwareTimestamps",
              numbersOf<HardwareTimestamps>(env, {{"Unknown", HardwareTimestamps::Unknown},
                                                  {"Unsupported", HardwareTimestamps::Unsupported},
                                                  {"Off", HardwareTimestamps::Off},
                                                  {"Some", HardwareTimestamps::Some},
                                                  {"All", HardwareTimestamps::All}}));
}

}  // namespace ringtap::binding
