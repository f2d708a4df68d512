// The baselines of bench/dissect/dissect.ts: loops over packet records in memory.
//
//   dissect_loop scalar|dissect FILE ROUNDS
//
// FILE is a pcap savefile of Ethernet frames with nanoseconds, in the machine's byte order. Its packets are laid out as
// the kernel lays them out in a ring, and the loop follows the chain of records: `scalar` reads one byte, the time and
// the interface of each, `dissect` its 5-tuple, payload length and TCP flags, through VLAN tags, IPv4 with options, and
// IPv6 with extension headers. Prints packets, the seconds of processor time of all rounds but the first, and a sum of
// what was read, as JSON.

#include <linux/if_packet.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "big_endian.h"
#include "clock.h"

namespace {

constexpr std::size_t kDataOffset = 82;

// Records of the packets of a savefile, each followed by the next.
struct Records {
  std::vector<std::uint64_t> memory;
  std::uint64_t count = 0;
};

bool load(const char* path, Records& records) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return false;
  std::vector<std::uint8_t> bytes;
  std::uint8_t part[65536];
  for (std::size_t got; (got = std::fread(part, 1, sizeof part, file)) > 0;)
    bytes.insert(bytes.end(), part, part + got);
  std::fclose(file);
  std::vector<std::uint8_t> laid;
  for (std::size_t at = 24; at + 16 <= bytes.size();) {
    std::uint32_t header[4];
    std::memcpy(header, &bytes[at], sizeof header);
    const std::size_t size = (kDataOffset + header[2] + 7) / 8 * 8;
    const std::size_t record = laid.size();
    laid.resize(record + size);
    tpacket3_hdr packet{};
    packet.tp_next_offset = static_cast<std::uint32_t>(size);
    packet.tp_sec = header[0];
    packet.tp_nsec = header[1];
    packet.tp_snaplen = header[2];
    packet.tp_len = header[3];
    packet.tp_mac = kDataOffset;
    sockaddr_ll address{};
    address.sll_ifindex = 1;
    std::memcpy(&laid[record], &packet, sizeof packet);
    std::memcpy(&laid[record + TPACKET_ALIGN(sizeof packet)], &address, sizeof address);
    std::memcpy(&laid[record + kDataOffset], &bytes[at + 16], header[2]);
    at += 16 + header[2];
    ++records.count;
  }
  records.memory.resize(laid.size() / 8);
  std::memcpy(records.memory.data(), laid.data(), laid.size());
  return true;
}

// What the dissector's fields are for this.
struct Fields {
  std::uint32_t layers = 0;
  std::uint16_t etherType = 0;
  std::uint32_t networkOffset = 0;
  std::uint8_t version = 0;
  std::uint8_t protocol = 0;
  std::uint8_t hopLimit = 0;
  std::uint8_t trafficClass = 0;
  std::uint32_t identification = 0;
  std::uint16_t fragment = 0;
  std::uint32_t transportOffset = 0;
  std::uint16_t sourcePort = 0;
  std::uint16_t destinationPort = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint16_t flags = 0;
  std::uint16_t window = 0;
  std::uint32_t payloadOffset = 0;
  std::uint32_t payloadLength = 0;
};

void transport(Fields& f, const std::uint8_t* data, std::uint32_t at, std::uint32_t end) {
  f.payloadOffset = at;
  f.transportOffset = at;
  if (f.protocol != 6 && f.protocol != 17) return;
  if (at + 8 > end) return;
  f.sourcePort = u16(data + at);
  f.destinationPort = u16(data + at + 2);
  if (f.protocol == 17) {
    f.layers |= 8;
    f.payloadOffset = at + 8;
    const std::uint32_t length = u16(data + at + 4);
    if (length >= 8 && at + length < end) end = at + length;
  } else {
    if (at + 20 > end) return;
    const std::uint32_t header = (data[at + 12] >> 4) * 4u;
    if (header < 20 || at + header > end) return;
    f.layers |= 4;
    f.sequence = u32(data + at + 4);
    f.acknowledgment = u32(data + at + 8);
    f.flags = u16(data + at + 12) & 0x1ff;
    f.window = u16(data + at + 14);
    f.payloadOffset = at + header;
  }
  f.payloadLength = end - f.payloadOffset;
}

// Not inlined, so that the fields are stored for each packet as a caller would find them.
[[gnu::noinline]] void dissect(Fields& f, const std::uint8_t* data, std::uint32_t captured) {
  f = Fields{};
  if (captured < 14) return;
  std::uint32_t at = 14;
  std::uint16_t type = u16(data + 12);
  for (int tags = 0; (type == 0x8100 || type == 0x88a8) && tags < 8; ++tags) {
    if (at + 4 > captured) return;
    type = u16(data + at + 2);
    at += 4;
  }
  f.etherType = type;
  f.networkOffset = at;
  std::uint32_t end = captured;
  if (type == 0x0800) {
    if (at + 20 > captured || data[at] >> 4 != 4) return;
    const std::uint32_t header = (data[at] & 15) * 4u;
    const std::uint32_t total = u16(data + at + 2);
    if (header < 20 || at + header > captured) return;
    f.layers |= 1;
    f.version = 4;
    f.trafficClass = data[at + 1];
    f.identification = u16(data + at + 4);
    f.fragment = u16(data + at + 6) & 0x3fff;
    f.hopLimit = data[at + 8];
    f.protocol = data[at + 9];
    if (total >= header && at + total < end) end = at + total;
    if ((f.fragment & 0x1fff) == 0) transport(f, data, at + header, end);
  } else if (type == 0x86dd) {
    if (at + 40 > captured || data[at] >> 4 != 6) return;
    f.layers |= 2;
    f.version = 6;
    f.trafficClass = static_cast<std::uint8_t>(u16(data + at) >> 4);
    f.hopLimit = data[at + 7];
    std::uint8_t next = data[at + 6];
    const std::uint32_t length = u16(data + at + 4);
    if (length != 0 && at + 40 + length < end) end = at + 40 + length;
    at += 40;
    for (int count = 0; count < 8 && (next == 0 || next == 43 || next == 44 || next == 60); ++count) {
      if (at + 8 > end) return;
      const std::uint32_t size = next == 44 ? 8 : (data[at + 1] + 1u) * 8;
      if (next == 44) f.fragment = u16(data + at + 2);
      next = data[at];
      at += size;
    }
    f.protocol = next;
    if ((f.fragment & 0xfff8) == 0 && at <= end) transport(f, data, at, end);
  }
}

std::uint64_t scalarRound(const Records& records) {
  std::uint64_t sum = 0;
  const auto* at = reinterpret_cast<const std::uint8_t*>(records.memory.data());
  for (std::uint64_t i = 0; i < records.count; ++i) {
    const auto* header = reinterpret_cast<const tpacket3_hdr*>(at);
    const auto* from = reinterpret_cast<const sockaddr_ll*>(at + TPACKET_ALIGN(sizeof(tpacket3_hdr)));
    const std::uint64_t time = std::uint64_t{header->tp_sec} * 1'000'000'000u + header->tp_nsec;
    if (header->tp_snaplen > 23) sum += at[header->tp_mac + 23];
    sum += time / 1'000'000 + static_cast<std::uint32_t>(from->sll_ifindex);
    at += header->tp_next_offset;
  }
  return sum;
}

std::uint64_t dissectRound(const Records& records, Fields& fields) {
  std::uint64_t sum = 0;
  const auto* at = reinterpret_cast<const std::uint8_t*>(records.memory.data());
  for (std::uint64_t i = 0; i < records.count; ++i) {
    const auto* header = reinterpret_cast<const tpacket3_hdr*>(at);
    dissect(fields, at + header->tp_mac, header->tp_snaplen);
    sum += fields.protocol + fields.sourcePort + fields.destinationPort + fields.payloadLength + fields.networkOffset;
    at += header->tp_next_offset;
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  Records records;
  if (count != 4 || !load(arguments[2], records)) {
    std::fputs("dissect_loop scalar|dissect FILE ROUNDS\n", stderr);
    return 2;
  }
  const bool scalar = std::strcmp(arguments[1], "scalar") == 0;
  const int rounds = std::atoi(arguments[3]);
  Fields fields;
  std::uint64_t sum = scalar ? scalarRound(records) : dissectRound(records, fields);
  const std::uint64_t first = sum;
  const double began = clockSeconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < rounds; ++i) sum += scalar ? scalarRound(records) : dissectRound(records, fields);
  const double seconds = clockSeconds(CLOCK_PROCESS_CPUTIME_ID) - began;
  if (sum != first * (static_cast<std::uint64_t>(rounds) + 1)) return 1;
  std::printf("{\"packets\":%" PRIu64 ",\"seconds\":%.6f,\"sum\":%" PRIu64 "}\n", records.count * rounds, seconds,
              first);
  return 0;
}
