// Finds the addresses in a packet. The code is classic BPF, so that all filter modes find the same ones: the classic
// program contains it, the eBPF program its translation, and user space interprets it.
#pragma once

#include <cstdint>
#include <vector>

#include "core/bpf/cbpf_writer.h"
#include "core/filter/filter_instruction.h"

namespace ringtap {

// A locator returns one of these three kinds plus four times the offset of the first address from the packet's start;
// the second address is kAddressStep bytes after it. IPv4: source and destination. ARP and RARP: sender and target, as
// tcpdump's `host`. IPv6: source and destination of the fixed header.
inline constexpr std::uint32_t kAddressesIp4 = 1;
inline constexpr std::uint32_t kAddressesArp = 2;
inline constexpr std::uint32_t kAddressesIp6 = 3;
inline constexpr std::uint32_t kAddressesKind = 3;  // the mask
// Or this value: the packet has no addresses, or is too short for both.
inline constexpr std::uint32_t kNoAddresses = 4;
// Or 0: the packet was cut at the snapshot length before the bytes that decide. Does not occur in the kernel.

inline constexpr std::uint32_t kAddressStep[] = {0, 4, 10, 16};  // by kind

struct Locator {
  std::uint16_t linkType;
  FilterProgram program;  // passes validateFilter; ends with its only `ret`, which is `ret a`; uses M[0] and M[1] alone
};

// One for each link type that a device can have (core/util/link_type.h). Ethernet: after up to two VLAN tags. Wireless
// LAN: as libpcap finds them, in unencrypted frames only.
[[nodiscard]] const std::vector<Locator>& locators();
// Null for an unsupported link type: its packets have no addresses.
[[nodiscard]] const Locator* locatorFor(std::uint16_t linkType);

// The locator and behind it a program that expects its result in A.
[[nodiscard]] FilterProgram behindLocator(const Locator& locator, const FilterProgram& program);

// Appends all locators to a classic socket filter; then A = the result of the one for the device's link type.
// Overwrites X, M[0] and M[1].
void appendLocators(CbpfWriter& out);

}  // namespace ringtap
