// The numbered frames of the live tests. Every byte follows from the number and the options, so that a receiver can
// recompute the whole frame. test/live/support/frame.ts implements the same layout: change both together.
//
//   Ethernet (14, absent for raw IP) | 802.1Q tag (4, only with vlan) | IPv4 (20) | UDP (8) | payload
//   payload: "RINGTAP\0" | number, 64 bits | label, 16 bits | pattern to the end; all big-endian
//
// The IPv4 checksum is valid, the UDP checksum is 0 ("none"). The identification is 0 and DF is set, so that all frames
// have the same headers. The default destination is not assigned to any host, so that no host replies.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>

namespace frames {

using Mac = std::array<std::uint8_t, 6>;

struct Shape {
  std::uint32_t size = 64;  // bytes of the whole frame including the tag, without the frame check sequence
  bool raw = false;         // begins with the IP header
  std::optional<std::uint16_t> vlan{};
  std::uint16_t tpid = 0x8100;  // EtherType of the tag
  Mac source{2, 0, 0, 0, 0, 1};
  Mac destination{2, 0, 0, 0, 0, 2};
  std::uint16_t port = 9;   // source and destination port
  std::uint32_t flows = 1;  // the source port is port + number % flows
};

inline constexpr std::uint8_t magic[8] = {'R', 'I', 'N', 'G', 'T', 'A', 'P', 0};
inline constexpr std::uint32_t payloadFixed = 18;
inline constexpr std::uint32_t maximumSize = 65535;

inline std::uint32_t linkHeader(const Shape& shape) { return shape.raw ? 0 : shape.vlan ? 18 : 14; }
inline std::uint32_t minimumSize(const Shape& shape) { return linkHeader(shape) + 28 + payloadFixed; }

inline void put16(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

// Writes the bytes that all frames of the shape share. `at` must hold shape.size bytes.
inline void prepare(std::uint8_t* at, const Shape& shape) {
  const std::uint32_t size = shape.size;
  std::memset(at, 0, size);
  std::uint8_t* ip = at + linkHeader(shape);
  const std::uint32_t ipSize = size - linkHeader(shape);
  if (!shape.raw) {
    std::memcpy(at, shape.destination.data(), 6);
    std::memcpy(at + 6, shape.source.data(), 6);
    if (shape.vlan) {
      put16(at + 12, shape.tpid);
      put16(at + 14, *shape.vlan);
    }
    put16(ip - 2, 0x0800);
  }
  static constexpr std::uint8_t header[20] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2};
  std::memcpy(ip, header, sizeof header);
  put16(ip + 2, ipSize);
  std::uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += static_cast<std::uint32_t>(ip[i]) << 8 | ip[i + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  put16(ip + 10, ~sum & 0xffff);
  put16(ip + 20, shape.port);
  put16(ip + 22, shape.port);
  put16(ip + 24, ipSize - 20);
  std::memcpy(ip + 28, magic, sizeof magic);
}

// Writes the number, label and pattern into a prepared frame.
inline void number(std::uint8_t* at, const Shape& shape, std::uint64_t value, std::uint16_t label) {
  // 256 bytes 0…255, repeated so that the longest frame fits from any first byte.
  static const auto ramp = [] {
    std::array<std::uint8_t, maximumSize + 256> bytes{};
    for (std::size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<std::uint8_t>(i);
    return bytes;
  }();
  std::uint8_t* ip = at + linkHeader(shape);
  if (shape.flows > 1) put16(ip + 20, static_cast<std::uint32_t>(shape.port + value % shape.flows));
  std::uint8_t* payload = ip + 28;
  for (int i = 0; i < 8; i++) payload[8 + i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
  put16(payload + 16, label);
  const std::uint64_t first = (value ^ (value >> 8) ^ (value >> 16)) & 0xff;
  std::memcpy(payload + payloadFixed, &ramp[first], shape.size - minimumSize(shape));
}

// Prints the final result line of both programs.
inline void report(std::uint64_t sent, double seconds, std::uint64_t refused, std::uint64_t dropped) {
  std::printf(R"({"sent":%llu,"seconds":%.6f,"packetsPerSecond":%.0f,"refused":%llu,"dropped":%llu})"
              "\n",
              static_cast<unsigned long long>(sent), seconds, seconds > 0 ? static_cast<double>(sent) / seconds : 0.0,
              static_cast<unsigned long long>(refused), static_cast<unsigned long long>(dropped));
  std::fflush(stdout);
}

}  // namespace frames
