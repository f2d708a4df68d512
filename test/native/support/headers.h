// Random packets with headers of all kinds, and straightforward implementations of what sampling and slices read in
// them: the reference for every form of both.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/bpf/sample.h"
#include "core/bpf/slice.h"
#include "core/util/link_type.h"
#include "support/addresses.h"
#include "support/choices.h"

namespace support {

using Packet = std::span<const std::uint8_t>;

inline std::uint32_t numberAt(Packet packet, std::size_t at, std::size_t size) {
  return static_cast<std::uint32_t>(bitsAt(packet, at, size));
}

// Where the IP header of an Ethernet or raw IP packet begins that is complete in its fixed part.
inline std::optional<std::size_t> networkOf(std::uint16_t linkType, Packet packet, bool& six) {
  const auto addresses = addressesOf(linkType, packet);
  if (!addresses) return std::nullopt;
  std::size_t at = 0;
  std::uint32_t type = 0;
  if (linkType == ringtap::kLinkTypeEthernet) {
    type = numberAt(packet, 12, 2);
    for (at = 14; type == 0x8100 || type == 0x88a8 || type == 0x9100; at += 4) type = numberAt(packet, at + 2, 2);
    if (type != 0x0800 && type != 0x86dd) return std::nullopt;
  }
  six = addresses->six;
  return at;
}

// The headers of an IP packet, read as far as they go.
struct IpHeaders {
  std::size_t behind = 0;
  std::uint32_t protocol = 0;
  bool fragment = false;       // in the sense asked for
  bool contradiction = false;  // ends within them, or too many
};

inline IpHeaders ipHeaders(Packet packet, std::size_t at, bool six, bool firstCounts) {
  IpHeaders headers;
  if (!six) {
    headers.protocol = packet[at + 9];
    const std::size_t length = std::size_t{4} * (packet[at] & 0xf);
    headers.contradiction = length < 20;
    headers.behind = at + length;
    headers.fragment = (numberAt(packet, at + 6, 2) & (firstCounts ? 0x3fff : 0x1fff)) != 0;
    return headers;
  }
  headers.protocol = packet[at + 6];
  headers.behind = at + 40;
  for (int count = 0;; ++count) {
    const std::uint32_t kind = headers.protocol;
    const bool options = kind == 0 || kind == 43 || kind == 60 || kind == 135 || kind == 139 || kind == 140;
    if (!options && kind != 44 && kind != 51) return headers;
    if (count == 6 || packet.size() < headers.behind + 8) {
      headers.contradiction = true;
      return headers;
    }
    const std::size_t here = headers.behind;
    headers.behind += kind == 44 ? 8 : 8 + std::size_t{packet[here + 1]} * (kind == 51 ? 4 : 8);
    if (kind == 44 && (numberAt(packet, here + 2, 2) & (firstCounts ? 0xfff9 : 0xfff8)) != 0) {
      headers.fragment = true;
      return headers;
    }
    headers.protocol = packet[here];
  }
}

inline std::uint32_t flowStep(std::uint32_t hash, std::uint32_t word) {
  const std::uint32_t mixed = (hash ^ word) * 0x9e3779b1u;
  return mixed ^ mixed >> 15;
}

// The hash of a packet's flow; nothing if it is not IP.
inline std::optional<std::uint32_t> flowHash(std::uint32_t seed, std::uint16_t linkType, Packet packet) {
  bool six = false;
  const auto at = networkOf(linkType, packet, six);
  if (!at) return std::nullopt;
  const IpHeaders headers = ipHeaders(packet, *at, six, true);
  const bool known = headers.protocol == 6 || headers.protocol == 17 || headers.protocol == 132;
  const bool ported = known && !headers.fragment && !headers.contradiction && packet.size() >= headers.behind + 4;
  std::uint32_t sum = 0;
  const std::size_t size = six ? 16 : 4;
  for (std::size_t end = 0; end < 2; ++end) {
    std::uint32_t hash = seed;
    const std::size_t address = *at + (six ? 8 : 12) + end * size;
    for (std::size_t word = 0; word < size; word += 4) hash = flowStep(hash, numberAt(packet, address + word, 4));
    sum += flowStep(hash, ported ? numberAt(packet, headers.behind + 2 * end, 2) : 0);
  }
  std::uint32_t hash = flowStep(sum, headers.protocol);
  hash ^= hash >> 16;
  hash *= 0x85ebca6bu;
  hash ^= hash >> 13;
  hash *= 0xc2b2ae35u;
  return hash ^ hash >> 16;
}

inline bool sampled(const ringtap::Sample& sample, std::uint16_t linkType, Packet packet) {
  const auto hash = flowHash(sample.seed, linkType, packet);
  return !hash || *hash < sample.below;
}

// The number of bytes that a slice keeps, which may be more than there are; nothing: all.
class Slicer {
 public:
  Slicer(Packet packet, int tunnels) : packet_(packet), tunnels_(tunnels) {}

  std::optional<std::size_t> ip(std::size_t at) {
    if (!has(at, 20)) return std::nullopt;
    const int version = packet_[at] >> 4;
    if (version != 4 && version != 6) return depth_ == 0 ? std::nullopt : std::optional(at);
    if (version == 6 && !has(at, 40)) return std::nullopt;
    const IpHeaders headers = ipHeaders(packet_, at, version == 6, false);
    if (headers.contradiction) return std::nullopt;
    if (headers.fragment) return headers.behind;
    return transport(headers.protocol, headers.behind);
  }

 private:
  [[nodiscard]] bool has(std::size_t at, std::size_t length) const { return packet_.size() >= at + length; }
  [[nodiscard]] std::uint32_t two(std::size_t at) const { return numberAt(packet_, at, 2); }

  std::optional<std::size_t> inner(std::size_t at) {
    ++depth_;
    return ip(at);
  }

  std::optional<std::size_t> transport(std::uint32_t protocol, std::size_t at) {
    const bool deeper = depth_ < tunnels_;
    switch (protocol) {
      case 6: {
        if (!has(at, 13)) return std::nullopt;
        const std::size_t length = std::size_t{4} * (packet_[at + 12] >> 4);
        return length < 20 ? std::nullopt : std::optional(at + length);
      }
      case 17: return deeper ? udp(at) : at + 8;
      case 1:
      case 2:
      case 50:
      case 58:
      case 136: return at + 8;
      case 132: return at + 12;
      case 51: return has(at, 2) ? std::optional(at + 8 + std::size_t{4} * packet_[at + 1]) : std::nullopt;
      case 47: return gre(at, deeper);
      case 4:
      case 41: return deeper ? inner(at) : at;
      default: return at;
    }
  }

  std::optional<std::size_t> gre(std::size_t at, bool deeper) {
    if (!has(at, 4)) return std::nullopt;
    const std::uint32_t flags = two(at), type = two(at + 2);
    at += 4;
    for (const std::uint32_t flag : {0x8000u, 0x2000u, 0x1000u, 0x0080u}) at += (flags & flag) != 0 ? 4 : 0;
    if (!deeper || (flags & 7) != 0) return at;
    return typed(type, at);
  }

  std::optional<std::size_t> typed(std::uint32_t type, std::size_t at) {
    if (type == 0x0800 || type == 0x86dd) return inner(at);
    return type == 0x6558 ? frame(at) : at;
  }

  std::optional<std::size_t> frame(std::size_t at) {
    if (!has(at, 14)) return std::nullopt;
    std::uint32_t type = two(at + 12);
    at += 14;
    for (int tag = 0; tag < 2 && (type == 0x8100 || type == 0x88a8 || type == 0x9100); ++tag, at += 4) {
      if (!has(at, 4)) return std::nullopt;
      type = two(at + 2);
    }
    return type == 0x0800 || type == 0x86dd ? inner(at) : std::nullopt;
  }

  std::optional<std::size_t> udp(std::size_t at) {
    if (!has(at, 8)) return std::nullopt;
    const std::uint32_t source = two(at), destination = two(at + 2);
    at += 8;
    if (destination == 4789 || destination == 8472) return frame(at + 8);
    if (destination == 6081) {
      if (!has(at, 8)) return std::nullopt;
      if (packet_[at] >> 6 != 0) return at;
      return typed(two(at + 2), at + 8 + std::size_t{4} * (packet_[at] & 0x3f));
    }
    return destination == 2152 || source == 2152 ? gtp(at) : at;
  }

  std::optional<std::size_t> gtp(std::size_t at) {
    if (!has(at, 8)) return std::nullopt;
    const int flags = packet_[at];
    const bool user = flags >> 4 == 3 && packet_[at + 1] == 255;
    at += 8;
    if (!user) return at;
    if ((flags & 7) == 0) return inner(at);
    if (!has(at, 4)) return std::nullopt;
    int next = (flags & 4) != 0 ? packet_[at + 3] : 0;
    at += 4;
    for (int count = 0; next != 0; ++count) {
      if (count == 2) return at;
      if (!has(at, 4)) return std::nullopt;
      const std::size_t length = std::size_t{4} * packet_[at];
      if (length == 0 || !has(at, length)) return std::nullopt;
      at += length;
      next = packet_[at - 1];
    }
    return inner(at);
  }

  const Packet packet_;
  const int tunnels_;
  int depth_ = 0;
};

inline std::optional<std::size_t> sliceOf(ringtap::Slice slice, std::uint16_t linkType, Packet packet) {
  bool six = false;
  const auto at = networkOf(linkType, packet, six);
  if (!at || slice == ringtap::Slice::None) return std::nullopt;
  return Slicer(packet, slice == ringtap::Slice::Headers ? 2 : 0).ip(*at);
}

// Makes random packets, most of them sound, some cut off anywhere, some with random bytes in place of a header's.
class HeaderChoices {
 public:
  explicit HeaderChoices(Choices& choices) : choices_(choices) {}

  std::vector<std::uint8_t> packet(std::uint16_t linkType) {
    bytes_.clear();
    if (linkType == ringtap::kLinkTypeEthernet) frame(3);
    else ip(choices_.oneIn(2), 3);
    if (choices_.oneIn(4)) bytes_.resize(choices_.below(static_cast<std::uint32_t>(bytes_.size()) + 1));
    if (choices_.oneIn(6) && !bytes_.empty()) {
      bytes_[choices_.below(static_cast<std::uint32_t>(bytes_.size()))] =
          static_cast<std::uint8_t>(choices_.below(256));
    }
    return bytes_;
  }

 private:
  void put(std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i-- > 0;) bytes_.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  }
  void fill(std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) put(choices_.below(256), 1);
  }

  void frame(int depth) {
    fill(12);
    for (int tags = static_cast<int>(choices_.below(4)) - 1; tags > 0; --tags) {
      static constexpr std::uint32_t kTags[] = {0x8100, 0x88a8, 0x9100};
      put(kTags[choices_.below(3)], 2);
      fill(2);
    }
    if (choices_.oneIn(12)) {
      put(choices_.oneIn(2) ? 0x0806 : 0x88cc, 2);
      fill(40);
      return;
    }
    const bool six = choices_.oneIn(2);
    put(six ? 0x86dd : 0x0800, 2);
    ip(six, depth);
  }

  // Few addresses, so that flows repeat.
  void address(bool six) {
    if (six) put(0x20010db8'00000000, 8);
    if (six) put(0, 4);
    put(0x0a000000 + choices_.below(3), 4);
  }

  std::uint32_t protocol(int depth) {
    static constexpr std::uint32_t kPlain[] = {6, 6, 17, 1, 2, 50, 58, 136, 132, 51, 89};
    static constexpr std::uint32_t kTunnels[] = {17, 47, 4, 41};
    return depth > 0 && choices_.oneIn(2) ? kTunnels[choices_.below(4)] : kPlain[choices_.below(11)];
  }

  void ip(bool six, int depth) {
    const std::uint32_t next = protocol(depth);
    const std::uint32_t fragment = choices_.oneIn(6) ? choices_.below(3) : 3;  // later, first, whole
    if (six) {
      put(0x60000000, 4);
      put(0, 2);
      std::vector<std::uint32_t> chain;
      static constexpr std::uint32_t kExtensions[] = {0, 43, 60, 51, 135, 139, 140};
      for (std::uint32_t i = choices_.oneIn(2) ? choices_.below(8) : 0; i > 0; --i) {
        chain.push_back(kExtensions[choices_.below(7)]);
      }
      if (fragment < 3 || choices_.oneIn(10)) {
        chain.insert(chain.begin() + choices_.below(static_cast<std::uint32_t>(chain.size()) + 1), 44);
      }
      put(chain.empty() ? next : chain.front(), 1);
      put(64, 1);
      address(true);
      address(true);
      for (std::size_t i = 0; i < chain.size(); ++i) {
        put(i + 1 < chain.size() ? chain[i + 1] : next, 1);
        if (chain[i] == 44) {
          put(0, 1);
          put(fragment == 0 ? 0x0100u : fragment == 1 ? 1u : 0u, 2);
          fill(4);
          continue;
        }
        const std::uint32_t size = choices_.below(3);
        put(size, 1);
        fill(6 + (chain[i] == 51 ? 4 : 8) * size);
      }
    } else {
      const std::uint32_t options = choices_.oneIn(3) ? choices_.below(11) : 0;
      put(0x45 + options, 1);
      fill(5);
      put(fragment == 0 ? 0x2010u : fragment == 1 ? 0x2000u : 0x4000u * choices_.below(2), 2);
      put(64, 1);
      put(next, 1);
      fill(2);
      address(false);
      address(false);
      fill(std::size_t{4} * options);
    }
    transport(next, depth);
  }

  void transport(std::uint32_t protocol, int depth) {
    static constexpr std::uint32_t kPorts[] = {53, 443, 40000, 2152, 4789, 8472, 6081, 65535};
    if (protocol == 4 || protocol == 41) return ip(protocol == 41, depth - 1);
    if (protocol == 47) return gre(depth);
    const std::uint32_t source = kPorts[choices_.below(8)], destination = kPorts[choices_.below(depth > 0 ? 8 : 3)];
    put(source, 2);
    put(destination, 2);
    if (protocol == 51) bytes_[bytes_.size() - 3] = static_cast<std::uint8_t>(choices_.below(6));
    if (protocol == 6) {
      fill(8);
      put((4 + choices_.below(12)) << 4, 1);
      fill(7);
    }
    if (protocol == 17) {
      fill(4);
      if (depth > 0) tunnel(source, destination, depth);
    }
    fill(choices_.below(80));
  }

  void gre(int depth) {
    static constexpr std::uint32_t kFlags[] = {0x8000, 0x2000, 0x1000, 0x0080, 0x0001};
    std::uint32_t flags = 0;
    for (const std::uint32_t flag : kFlags) flags |= choices_.oneIn(4) ? flag : 0;
    put(flags, 2);
    const std::uint32_t type = choices_.below(4);
    static constexpr std::uint32_t kTypes[] = {0x0800, 0x86dd, 0x6558, 0x880b};
    put(kTypes[type], 2);
    for (const std::uint32_t flag : {0x8000u, 0x2000u, 0x1000u, 0x0080u}) fill((flags & flag) != 0 ? 4 : 0);
    content(type, depth);
  }

  void content(std::uint32_t type, int depth) {
    if (depth <= 0 || type == 3) fill(60);
    else if (type == 2) frame(depth - 1);
    else ip(type == 1, depth - 1);
  }

  void tunnel(std::uint32_t source, std::uint32_t destination, int depth) {
    if (destination == 4789 || destination == 8472) {
      fill(8);
      frame(depth - 1);
    } else if (destination == 6081) {
      const std::uint32_t options = choices_.below(4);
      put((choices_.oneIn(8) ? 0x40 : 0) | options, 1);
      fill(1);
      const std::uint32_t type = choices_.below(4);
      static constexpr std::uint32_t kTypes[] = {0x0800, 0x86dd, 0x6558, 0x22eb};
      put(kTypes[type], 2);
      fill(4 + std::size_t{4} * options);
      content(type, depth);
    } else if (destination == 2152 || source == 2152) {
      const std::uint32_t flags = choices_.oneIn(2) ? 0 : choices_.below(8);
      put((choices_.oneIn(8) ? 0x40 : 0x30) | flags, 1);
      put(choices_.oneIn(8) ? 1 : 255, 1);
      fill(6);
      std::uint32_t more = (flags & 4) != 0 ? choices_.below(4) : 0;
      if (flags != 0) {
        fill(3);
        put((flags & 4) == 0 ? choices_.below(256) : more > 0 ? 0x85 : 0, 1);
      }
      for (; more > 0; --more) {
        const std::uint32_t size = choices_.oneIn(12) ? 0 : 1 + choices_.below(2);
        put(size, 1);
        fill(size == 0 ? 2 : 4 * size - 2);
        put(more > 1 ? 0x85 : 0, 1);
      }
      ip(choices_.oneIn(2), depth - 1);
    }
  }

  Choices& choices_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace support
