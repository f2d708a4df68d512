// The baseline of bench/dissect/flows.ts: a flow table in C over packets that libpcap has parsed.
//
//   flow_loop FILE ROUNDS FLOWS
//
// FILE is a savefile of Ethernet frames, which pcap_next_ex reads into memory first. The loop reads each packet's
// 5-tuple (VLAN tags, IPv4 with options, IPv6 without extension headers; TCP and UDP), finds its flow in a hash table
// with open addressing, both directions in one entry, and adds packets and bytes per direction and the first and last
// time. The table has room for FLOWS flows without growing. Prints packets, the seconds of processor time of all rounds
// but the first, and a sum of what was counted, as JSON.

#include <pcap/pcap.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "big_endian.h"
#include "clock.h"

namespace {

struct Key {
  std::uint8_t addresses[2][16];
  std::uint16_t ports[2];
  std::uint8_t protocol;
  std::uint8_t version;
  std::uint16_t zero;
};

struct Flow {
  Key key;
  std::uint64_t packets[2];
  std::uint64_t bytes[2];
  std::int64_t first;
  std::int64_t last;
};

// What stands before each packet in memory; the bytes follow, up to a multiple of 8.
struct Stored {
  std::int64_t time;
  std::uint32_t captured;
  std::uint32_t size;
};

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 32);
}

std::uint64_t endHash(const Key& key, int end) {
  std::uint64_t words[2];
  std::memcpy(words, key.addresses[end], sizeof words);
  return mix(mix(key.ports[end], words[0]), words[1]);
}

class Table {
 public:
  explicit Table(std::size_t flows) {
    std::size_t places = 1024;
    while (places < 2 * flows) places *= 2;
    index_.resize(places);
    flows_.reserve(flows);
  }

  // The packet's source is end 0 of the key.
  void add(const Key& key, std::uint32_t bytes, std::int64_t time) {
    const std::uint64_t hash = mix(endHash(key, 0) + endHash(key, 1), key.protocol);
    const std::size_t mask = index_.size() - 1;
    const auto high = static_cast<std::uint32_t>(hash >> 32);
    std::size_t at = hash & mask;
    for (;; at = (at + 1) & mask) {
      const Place& place = index_[at];
      if (place.flow == 0) break;
      if (place.hash != high) continue;
      Flow& flow = flows_[place.flow - 1];
      if (std::memcmp(&flow.key, &key, sizeof key) == 0) return count(flow, 0, bytes, time);
      if (isReverse(flow.key, key)) return count(flow, 1, bytes, time);
    }
    flows_.push_back(Flow{key, {}, {}, time, time});
    index_[at] = {high, static_cast<std::uint32_t>(flows_.size())};
    count(flows_.back(), 0, bytes, time);
  }

  std::uint64_t sum() const {
    std::uint64_t sum = flows_.size();
    for (const Flow& flow : flows_) sum += flow.packets[0] + flow.packets[1] + flow.bytes[0] + flow.bytes[1];
    return sum;
  }

 private:
  struct Place {
    std::uint32_t hash;
    std::uint32_t flow;
  };

  static bool isReverse(const Key& one, const Key& other) {
    return std::memcmp(one.addresses[0], other.addresses[1], 16) == 0 &&
           std::memcmp(one.addresses[1], other.addresses[0], 16) == 0 && one.ports[0] == other.ports[1] &&
           one.ports[1] == other.ports[0] && one.protocol == other.protocol && one.version == other.version;
  }

  static void count(Flow& flow, int end, std::uint32_t bytes, std::int64_t time) {
    ++flow.packets[end];
    flow.bytes[end] += bytes;
    if (time > flow.last) flow.last = time;
  }

  std::vector<Place> index_;
  std::vector<Flow> flows_;
};

// False: not TCP or UDP over IP. `bytes`: from the IP header on.
bool parse(const std::uint8_t* data, std::uint32_t captured, Key& key, std::uint32_t& bytes) {
  if (captured < 14) return false;
  std::uint32_t at = 14;
  std::uint16_t type = u16(data + 12);
  for (int tags = 0; (type == 0x8100 || type == 0x88a8) && tags < 8; ++tags) {
    if (at + 4 > captured) return false;
    type = u16(data + at + 2);
    at += 4;
  }
  key = Key{};
  if (type == 0x0800) {
    if (at + 20 > captured || data[at] >> 4 != 4) return false;
    const std::uint32_t header = (data[at] & 15) * 4u;
    key.version = 4;
    key.protocol = data[at + 9];
    bytes = u16(data + at + 2);
    std::memcpy(key.addresses[0], data + at + 12, 4);
    std::memcpy(key.addresses[1], data + at + 16, 4);
    if (header < 20 || (u16(data + at + 6) & 0x1fff) != 0) return false;
    at += header;
  } else if (type == 0x86dd) {
    if (at + 40 > captured || data[at] >> 4 != 6) return false;
    key.version = 6;
    key.protocol = data[at + 6];
    bytes = u16(data + at + 4) + 40u;
    std::memcpy(key.addresses, data + at + 8, 32);
    at += 40;
  } else {
    return false;
  }
  if ((key.protocol != 6 && key.protocol != 17) || at + 8 > captured) return false;
  key.ports[0] = u16(data + at);
  key.ports[1] = u16(data + at + 2);
  return true;
}

void round(const std::vector<std::uint64_t>& memory, Table& table) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(memory.data());
  const auto* end = at + memory.size() * 8;
  Key key;
  std::uint32_t bytes = 0;
  while (at < end) {
    Stored stored;
    std::memcpy(&stored, at, sizeof stored);
    if (parse(at + sizeof stored, stored.captured, key, bytes)) table.add(key, bytes, stored.time);
    at += stored.size;
  }
}

}  // namespace

int main(int count, char** arguments) {
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* file =
      count == 4 ? pcap_open_offline_with_tstamp_precision(arguments[1], PCAP_TSTAMP_PRECISION_NANO, error) : nullptr;
  if (file == nullptr) {
    std::fputs("flow_loop FILE ROUNDS FLOWS\n", stderr);
    return 2;
  }
  std::vector<std::uint64_t> memory;
  std::uint64_t packets = 0;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  while (pcap_next_ex(file, &header, &data) == 1) {
    const std::size_t start = memory.size();
    const std::size_t words = (sizeof(Stored) + header->caplen + 7) / 8;
    memory.resize(start + words);
    const Stored stored{header->ts.tv_sec * 1'000'000'000ll + header->ts.tv_usec, header->caplen,
                        static_cast<std::uint32_t>(words * 8)};
    std::memcpy(&memory[start], &stored, sizeof stored);
    std::memcpy(reinterpret_cast<std::uint8_t*>(&memory[start]) + sizeof stored, data, header->caplen);
    ++packets;
  }
  pcap_close(file);
  const int rounds = std::atoi(arguments[2]);
  Table table(static_cast<std::size_t>(std::atoll(arguments[3])));
  round(memory, table);
  const double began = clockSeconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < rounds; ++i) round(memory, table);
  const double seconds = clockSeconds(CLOCK_PROCESS_CPUTIME_ID) - began;
  std::printf("{\"packets\":%" PRIu64 ",\"seconds\":%.6f,\"sum\":%" PRIu64 "}\n", packets * rounds, seconds,
              table.sum());
  return 0;
}
