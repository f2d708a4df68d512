// Random address sets and packets, and a straightforward implementation of the verdict: the reference for every form of
// the address sets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/bpf/address_filter.h"
#include "core/util/link_type.h"
#include "support/choices.h"

namespace support {

using ringtap::Bits128;
using ringtap::Prefix;

struct AddressChoice {
  std::vector<Prefix> exclude;
  std::vector<Prefix> include;

  [[nodiscard]] std::shared_ptr<const ringtap::AddressFilter> filter(bool maps = false) const {
    if (exclude.empty() && include.empty()) return nullptr;
    return std::make_shared<ringtap::AddressFilter>(ringtap::AddressSet(exclude, include), maps);
  }
};

inline bool holds(const Prefix& prefix, bool six, Bits128 address) {
  if (prefix.six != six) return false;
  const int beyond = (six ? 128 : 32) - prefix.length;
  return beyond == 128 || prefix.value >> beyond == address >> beyond;
}

struct Addresses {
  bool six = false;
  Bits128 first = 0;
  Bits128 second = 0;
};

inline Bits128 bitsAt(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t size) {
  Bits128 value = 0;
  for (const std::uint8_t byte : bytes.subspan(at, size)) value = value << 8 | byte;
  return value;
}

// The addresses of an Ethernet or raw IP packet that is not truncated.
inline std::optional<Addresses> addressesOf(std::uint16_t linkType, std::span<const std::uint8_t> bytes) {
  std::size_t at = 0;
  Bits128 type = 0;
  if (linkType == ringtap::kLinkTypeEthernet) {
    if (bytes.size() < 14) return std::nullopt;
    type = bitsAt(bytes, 12, 2);
    at = 14;
    for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8 || type == 0x9100); ++tags) {
      at += 4;
      if (bytes.size() < at) return std::nullopt;
      type = bitsAt(bytes, at - 2, 2);
    }
  } else if (linkType == ringtap::kLinkTypeRaw && !bytes.empty()) {
    type = bytes[0] >> 4 == 4 ? 0x0800 : bytes[0] >> 4 == 6 ? 0x86dd : 0;
  }
  const auto pair = [&](bool six, std::size_t first, std::size_t second) -> std::optional<Addresses> {
    const std::size_t size = six ? 16 : 4;
    if (bytes.size() < at + second + size) return std::nullopt;
    return Addresses{six, bitsAt(bytes, at + first, size), bitsAt(bytes, at + second, size)};
  };
  if (type == 0x0800) return pair(false, 12, 16);
  if (type == 0x86dd) return pair(true, 8, 24);
  if (type == 0x0806 || type == 0x8035) return pair(false, 14, 24);
  return std::nullopt;
}

inline bool addressesPass(const AddressChoice& chosen, const std::optional<Addresses>& addresses) {
  const auto in = [&](const std::vector<Prefix>& set) {
    return addresses && std::any_of(set.begin(), set.end(), [&](const Prefix& prefix) {
             return holds(prefix, addresses->six, addresses->first) || holds(prefix, addresses->six, addresses->second);
           });
  };
  return !in(chosen.exclude) && (chosen.include.empty() || in(chosen.include));
}

// Draws from a small range, so that sets and packets often match.
inline Bits128 randomAddress(Choices& choices, bool six) {
  if (!six) {
    static constexpr std::uint32_t nets[] = {0x0a000000, 0x0a000100, 0xc0a80000, 0xffffff00, 0};
    return nets[choices.below(5)] + choices.below(24);
  }
  static constexpr std::uint64_t nets[] = {0x20010db8'00000000, 0x20010db8'00000001, 0xfe80000000000000, ~0ull, 0};
  const std::uint64_t low =
      choices.oneIn(2) ? choices.below(6) : std::uint64_t{choices.below(3)} << 32 | choices.below(6);
  const std::uint64_t end = choices.oneIn(8) ? ~0ull : low;
  return Bits128{nets[choices.below(5)]} << 64 | end;
}

inline Prefix randomPrefix(Choices& choices) {
  const bool six = choices.oneIn(2);
  const std::uint8_t width = six ? 128 : 32;
  Prefix prefix{randomAddress(choices, six), width, six};
  if (choices.oneIn(3))
    prefix.length =
        static_cast<std::uint8_t>(choices.oneIn(16) ? choices.below(width) : width - choices.below(six ? 80 : 12));
  const int beyond = width - prefix.length;
  prefix.value = beyond == 128 ? 0 : prefix.value >> beyond << beyond;
  return prefix;
}

inline AddressChoice randomAddresses(Choices& choices, std::uint32_t max = 12) {
  AddressChoice chosen;
  for (std::uint32_t i = choices.below(max); i > 0; --i) chosen.exclude.push_back(randomPrefix(choices));
  if (choices.oneIn(2)) {
    for (std::uint32_t i = choices.below(max); i > 0; --i) chosen.include.push_back(randomPrefix(choices));
  }
  return chosen;
}

inline void putBits(std::vector<std::uint8_t>& bytes, Bits128 value, int size) {
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

// Returns an IPv4, IPv6 or ARP packet with its EtherType.
inline std::pair<std::uint16_t, std::vector<std::uint8_t>> randomNetworkPacket(Choices& choices) {
  std::vector<std::uint8_t> bytes;
  const auto add = [&](bool six, std::size_t start) {
    bytes.resize(start);
    putBits(bytes, randomAddress(choices, six), six ? 16 : 4);
  };
  switch (choices.below(4)) {
    case 0:
    case 1:
      add(false, 12);
      add(false, 16);
      bytes[0] = 0x45;
      return {0x0800, bytes};
    case 2:
      add(true, 8);
      add(true, 24);
      bytes[0] = 0x60;
      return {0x86dd, bytes};
    default:
      add(false, 14);
      add(false, 24);
      return {choices.oneIn(2) ? 0x0806 : 0x8035, bytes};
  }
}

// An Ethernet or raw IP packet, sometimes truncated or of an unknown type.
inline std::vector<std::uint8_t> randomPacket(Choices& choices, std::uint16_t linkType) {
  auto [type, network] = randomNetworkPacket(choices);
  std::vector<std::uint8_t> bytes;
  if (linkType == ringtap::kLinkTypeEthernet) {
    bytes.assign(12, 2);
    static constexpr std::uint16_t tags[] = {0x8100, 0x88a8, 0x9100};
    for (std::uint32_t i = choices.oneIn(3) ? choices.below(4) : 0; i > 0; --i) {
      putBits(bytes, tags[choices.below(3)], 2);
      putBits(bytes, choices.below(4096), 2);
    }
    putBits(bytes, choices.oneIn(8) ? choices.below(65536) : type, 2);
  } else if (choices.oneIn(8)) {
    network[0] = static_cast<std::uint8_t>(choices.below(256));
  }
  bytes.insert(bytes.end(), network.begin(), network.end());
  bytes.resize(bytes.size() + choices.below(8));
  if (choices.oneIn(4)) bytes.resize(choices.below(static_cast<std::uint32_t>(bytes.size()) + 1));
  return bytes;
}

}  // namespace support
