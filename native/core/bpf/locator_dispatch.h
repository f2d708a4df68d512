// Runs the locator of a packet's link type in the eBPF program.
#pragma once

#include <cstdint>
#include <vector>

#include "core/bpf/ebpf_assembler.h"
#include "core/bpf/ebpf_translation.h"
#include "core/util/link_type.h"
#include "core/util/result.h"

namespace ringtap {

// Appends the locators (Locator, ConnectionLocator). R0 = the result of the one for the device's link type, `none` if
// it has no locator. `ordinal`: the register with linkTypeOrdinal() of the device. Overwrites what translateCbpf()
// does.
template <typename Locators>
[[nodiscard]] Result<> appendLocators(const Locators& locators, std::uint8_t ordinal, std::uint32_t none,
                                      std::vector<bpf_insn>& code) {
  ebpf::Assembler out(code);
  std::vector<std::size_t> located;
  for (const auto& locator : locators) {
    const std::size_t other = out.jump32(BPF_JNE, ordinal, linkTypeOrdinal(locator.linkType));
    if (auto translated = translateCbpf(locator.program, code); !translated) return translated;
    located.push_back(out.jumpAlways());
    if (!out.land(other)) return ebpf::tooFar();
  }
  out.set(ebpf::R0, none);
  for (const std::size_t from : located) {
    if (!out.land(from)) return ebpf::tooFar();
  }
  return {};
}

}  // namespace ringtap
