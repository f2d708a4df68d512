// From pcap-filter(7) expressions to classic BPF, through libpcap's compiler.
//
// All functions here are thread-safe (pcap_compile is since libpcap 1.8) and can be slow: names in an expression are
// looked up in the DNS, and the optimiser takes 15 s for 600 hosts or 400 ports. Call them where waiting is allowed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/bpf/filter_instruction.h"
#include "core/util/link_type.h"
#include "core/util/result.h"

namespace ringtap {

// The largest snapshot length (libpcap's own bound), and the default.
inline constexpr std::uint32_t kMaxSnapshotLength = 262144;

enum class FilterInput {
  // Packets in memory: the program reads their bytes alone.
  Memory,
  // Packets on a socket. The program may also ask the kernel (SKF_AD_*): `vlan` has to match tags that the kernel took
  // out of the packet. libpcap generates such code only for a handle that captures on an Ethernet device, so one is
  // activated for a moment where the expression needs it (CAP_NET_RAW, and one device of the namespace up).
  Socket,
  // Packets of a savefile of that byte order, as libpcap's own savefiles: on loopback's link types (0, 108, 109) it
  // accepts every system's number for IPv6, in the file's byte order; and what no savefile has, such as the direction
  // of an Ethernet packet, is refused.
  LittleEndianFile,
  BigEndianFile,
};

struct CompiledFilter {
  FilterProgram instructions;
  // FilterInput::Socket was given and its extensions needed, and no device could be activated: the program does not
  // match tags that the kernel has stripped. Worth a warning.
  bool extensionsMissing = false;
};

// Compiles for one LINKTYPE_ value. The program returns `snapshotLength` for a match and 0 otherwise, and has passed
// validateFilter (core/bpf/filter_interpreter.h). An expression of white space only matches everything, whatever the
// link type.
//
// Netmasks are not known here: `ip broadcast` is refused rather than compiled into a test that never holds.
//
// FilterSyntax: libpcap refuses it, with its own words: a syntax error, an unknown host name, an expression that fits
//   no packet of this link type, …; or it is `protochain`, which needs a loop that the kernel does not run.
// FilterTooLarge: more than kMaxFilterInstructions, or so much that compiling could only end there, after hours.
// Option: snapshotLength is 0 or above kMaxSnapshotLength, or libpcap does not know the link type.
Result<CompiledFilter> compileFilter(const std::string& expression, std::uint16_t linkType,
                                     std::uint32_t snapshotLength, FilterInput input);

struct LinkTypeFilter {
  std::uint16_t linkType = kLinkTypeUnknown;
  FilterProgram instructions;  // `ret #0` alone where the expression cannot be put for this link type
  // Why it cannot (libpcap's words); "" where it can. Mind `not ether host …`: refused on raw IP, hence nothing of a
  // raw IP device matches, although one may have meant everything. Worth a warning once such a device is captured.
  std::string refusal;
};

struct LinkTypeFilters {
  std::vector<LinkTypeFilter> filters;  // in the order asked for
  bool extensionsMissing = false;
};

inline constexpr std::uint16_t kUsualLinkTypes[] = {kLinkTypeEthernet, kLinkTypeRaw};

// The same expression for devices of several link types. An expression counts as valid when one of them can express it;
// for the others it matches nothing; so it does for a link type that libpcap does not know (kLinkTypeUnknown). When
// none can, the error is that of the first: put Ethernet there. FilterTooLarge of any one is an error of the whole.
// Takes as long as the link types take one after another.
Result<LinkTypeFilters> compileForLinkTypes(const std::string& expression, std::uint32_t snapshotLength,
                                            FilterInput input,
                                            std::span<const std::uint16_t> linkTypes = kUsualLinkTypes);

// Whether the expression has the word inbound, outbound or ifindex: where the link-layer header of a packet has neither
// its direction nor its interface, only a socket can answer.
[[nodiscard]] bool testsMetadata(const std::string& expression);

// Whether FilterInput::Socket gives another program than FilterInput::Memory: the expression has the word vlan,
// inbound, outbound or ifindex. For a caller that compiles again once a device is up.
[[nodiscard]] bool needsKernelExtensions(const std::string& expression);

// The program as `tcpdump -d` prints it, each line ended with a newline.
[[nodiscard]] std::string filterListing(std::span<const FilterInstruction> program);

}  // namespace ringtap
