// Compiles pcap-filter(7) expressions to classic BPF with libpcap's compiler.
//
// All functions here are thread-safe (pcap_compile is since libpcap 1.8) and may block for long: host names in an
// expression are looked up in the DNS, and the optimiser takes 15 s for 600 hosts or 400 ports. Do not call them on the
// event loop.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/filter/filter_instruction.h"
#include "core/util/link_type.h"
#include "core/util/result.h"

struct pcap;

namespace ringtap {

// The largest snapshot length (libpcap's own bound), and the default.
inline constexpr std::uint32_t kMaxSnapshotLength = 262144;

enum class FilterInput {
  // Packets in memory: the program reads only their bytes.
  Memory,
  // Packets of a savefile of that byte order, compiled as libpcap does for its own savefiles: on loopback's link types
  // (0, 108, 109) every system's number for IPv6 matches, in the file's byte order. Tests of what a savefile does not
  // store, such as the direction of an Ethernet packet, are refused.
  LittleEndianFile,
  BigEndianFile,
};

// Opens a handle that captures on an Ethernet device, for which libpcap compiles the kernel's extensions; null if there
// is no such device (core/bpf/socket_filter.h).
struct PcapCloser;  // core/util/pcap_handle.h, whose macros are not those of linux/filter.h
using OpenLiveHandle = Result<std::unique_ptr<pcap, PcapCloser>> (*)(std::uint32_t snapshotLength);

struct CompiledFilter {
  FilterProgram instructions;
  // `live` was given, the expression needs the kernel's extensions, and no Ethernet device is up: the program does not
  // match tags that the kernel has removed. Callers should warn.
  bool extensionsMissing = false;
};

// Compiles for one LINKTYPE_ value. The program returns `snapshotLength` for a match and 0 otherwise, and has passed
// validateFilter (core/filter/filter_interpreter.h). An expression of only white space matches everything, for any link
// type.
//
// No netmask is passed to libpcap: `ip broadcast` is refused rather than compiled into a test that never matches.
//
// FilterSyntax: libpcap refuses the expression (a syntax error, an unknown host name, an expression that matches no
//   packet of this link type, …), with its message; or the expression has `protochain`, which needs a loop that the
//   kernel does not run.
// FilterTooLarge: more than kMaxFilterInstructions, or so long that compiling would take hours and then exceed them.
// Option: snapshotLength is 0 or above kMaxSnapshotLength, or libpcap does not support the link type.
// Errors of `live`, which is called if the expression needs the kernel's extensions.
Result<CompiledFilter> compileFilter(const std::string& expression, std::uint16_t linkType,
                                     std::uint32_t snapshotLength, FilterInput input, OpenLiveHandle live = nullptr);

struct LinkTypeFilter {
  std::uint16_t linkType = kLinkTypeUnknown;
  FilterProgram instructions;  // `ret #0` alone if the expression cannot be compiled for this link type
  // libpcap's message if it cannot be compiled; else "". Note `not ether host …`: it is refused on raw IP, so nothing
  // of a raw IP device matches, although the user may have meant everything. Warn once such a device is captured.
  std::string refusal;
};

struct LinkTypeFilters {
  std::vector<LinkTypeFilter> filters;  // in the order of the argument
  bool extensionsMissing = false;
};

inline constexpr std::uint16_t kUsualLinkTypes[] = {kLinkTypeEthernet, kLinkTypeRaw};

// Compiles the same expression for several link types. It is valid if it compiles for one of them; for the others, and
// for a link type that libpcap does not support (kLinkTypeUnknown), it matches nothing. If it compiles for none, the
// error is that of the first, so Ethernet should be first. FilterTooLarge and Permission for any link type fail the
// whole call. The time taken is the sum over the link types.
Result<LinkTypeFilters> compileForLinkTypes(const std::string& expression, std::uint32_t snapshotLength,
                                            FilterInput input,
                                            std::span<const std::uint16_t> linkTypes = kUsualLinkTypes,
                                            OpenLiveHandle live = nullptr);

// Whether the expression has nothing but white space: it matches everything.
[[nodiscard]] bool isBlank(std::string_view expression);

// Whether the expression has the word inbound, outbound or ifindex. If a packet's link-layer header has neither
// direction nor interface, only a socket filter can test them.
[[nodiscard]] bool testsMetadata(const std::string& expression);

// Whether an expression gives another program for packets on a socket than for packets in memory: the expression has
// the word vlan, inbound, outbound or ifindex. Used to decide whether to compile again once a device is up.
[[nodiscard]] bool needsKernelExtensions(const std::string& expression);

// The version of the loaded libpcap, such as "1.10.5"; the full text of pcap_lib_version() if it has no number.
[[nodiscard]] std::string libpcapVersion();

// The program as `tcpdump -d` prints it, each line ended with a newline.
[[nodiscard]] std::string filterListing(std::span<const FilterInstruction> program);

}  // namespace ringtap
