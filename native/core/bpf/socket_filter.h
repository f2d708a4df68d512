// Compiles pcap-filter(7) expressions for packets on a socket (core/filter/filter.h for all others).
//
// The program may also use the kernel's extensions (SKF_AD_*): `vlan` must match tags that the kernel has removed from
// the packet. libpcap generates such code only for a handle that captures on an Ethernet device, so such a handle is
// activated briefly if the expression needs it (CAP_NET_RAW, and one Ethernet device of the namespace up).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/filter/filter.h"
#include "core/util/result.h"

namespace ringtap {

// As compileFilter() with FilterInput::Memory. Permission (syscall `socket`): the expression needs the kernel's
// extensions, and the process may not open packet sockets.
Result<CompiledFilter> compileSocketFilter(const std::string& expression, std::uint16_t linkType,
                                           std::uint32_t snapshotLength);

// As compileForLinkTypes() with FilterInput::Memory. Permission for any link type fails the whole call.
Result<LinkTypeFilters> compileSocketFilters(const std::string& expression, std::uint32_t snapshotLength,
                                             std::span<const std::uint16_t> linkTypes = kUsualLinkTypes);

}  // namespace ringtap
