// Where the addresses of a packet are. Written once, as classic BPF, so that every mode of the filter finds the same:
// classic has it inlined, eBPF translated, and user space runs it.
#pragma once

#include <cstdint>
#include <vector>

#include "core/bpf/filter_instruction.h"

namespace ringtap {

// What a locator returns: one of these three, plus four times the offset of the first address from the packet's start;
// the second is kAddressStep behind it. IPv4: source and destination. ARP and RARP: sender and target, as in tcpdump's
// `host`. IPv6: source and destination of the plain header.
inline constexpr std::uint32_t kAddressesIp4 = 1;
inline constexpr std::uint32_t kAddressesArp = 2;
inline constexpr std::uint32_t kAddressesIp6 = 3;
inline constexpr std::uint32_t kAddressesKind = 3;  // the mask
// Or this: there are none, or the packet is too short for both.
inline constexpr std::uint32_t kNoAddresses = 4;
// Or 0: bytes that would tell are missing, in a packet cut at the snapshot length. Never in the kernel.

inline constexpr std::uint32_t kAddressStep[] = {0, 4, 10, 16};  // by kind

struct Locator {
  std::uint16_t linkType;
  FilterProgram program;  // passes validateFilter; ends with its only `ret`, which is `ret a`; uses M[0] and M[1] alone
};

// Of all link types that a device can have (core/util/link_type.h). Ethernet: behind up to two VLAN tags. Wireless LAN:
// as libpcap finds them; not in what is encrypted.
[[nodiscard]] const std::vector<Locator>& locators();
// Null for a link type of which nothing is known: no packet of it has addresses.
[[nodiscard]] const Locator* locatorFor(std::uint16_t linkType);

}  // namespace ringtap
