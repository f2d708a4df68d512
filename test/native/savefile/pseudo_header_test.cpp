// Pseudo-headers in the byte order of the capturing machine, compared with libpcap, which converts them when it reads a
// file.
#include "core/savefile/pseudo_header.h"

#include <pcap/pcap.h>

#include <cstdio>
#include <memory>
#include <random>

#include "support/check.h"
#include "support/parse_savefile.h"
#include "support/savefiles.h"

using namespace ringtap;
using namespace support;
using namespace support::files;

namespace {

// Returns the bytes of each packet as libpcap reads them.
std::vector<FileBytes> readByLibpcap(FileBytes file) {
  std::vector<FileBytes> packets;
  char error[PCAP_ERRBUF_SIZE] = "";
  pcap_t* handle = pcap_fopen_offline(::fmemopen(file.data(), file.size(), "r"), error);
  CHECK(handle != nullptr);
  if (handle == nullptr) return packets;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  while (pcap_next_ex(handle, &header, &data) == 1) packets.emplace_back(data, data + header->caplen);
  pcap_close(handle);
  return packets;
}

std::vector<FileBytes> readHere(const FileBytes& file) {
  std::vector<FileBytes> packets;
  const Parsed parsed = parseInPieces(file);
  CHECK(!parsed.error && !parsed.lost);
  for (const ParsedPacket& packet : parsed.packets) packets.push_back(packet.bytes);
  return packets;
}

// Packets of all lengths with random bytes, and a few bytes that are valid for the link type.
std::vector<FileBytes> packetsOf(std::uint16_t linkType, bool big) {
  std::mt19937 random(linkType);
  std::vector<FileBytes> packets;
  for (std::size_t length = 0; length < 260; ++length) {
    FileBytes packet(length);
    for (auto& byte : packet) byte = static_cast<std::uint8_t>(random());
    const auto put = [&](std::size_t at, const FileBytes& bytes) {
      for (std::size_t i = 0; i < bytes.size() && at + i < packet.size(); ++i) packet[at + i] = bytes[i];
    };
    switch (linkType) {
      case 113: put(14, {0, static_cast<std::uint8_t>(0x0b + length % 3)}); break;
      case 276: put(0, {0, static_cast<std::uint8_t>(0x0b + length % 3)}); break;
      case 117: put(0, {static_cast<std::uint8_t>(length % 80)}); break;
      case 189:
      case 220:
        put(9, {static_cast<std::uint8_t>(length % 2)});
        put(60, FileWriter(big).u32(static_cast<std::uint32_t>(length % 11)).bytes);
        break;
      case 239:
        put(1, {static_cast<std::uint8_t>(length % 7 == 0)});
        for (std::size_t at = 4; at < length;) {
          const auto size = static_cast<std::uint16_t>(length % 5 == 0 ? random() % 400 : 4 + random() % 20);
          put(at, FileWriter(big).u16(size).u16(9).bytes);
          at += std::max<std::size_t>(4, savefile::padded(size));
        }
        break;
      default: break;
    }
    packets.push_back(std::move(packet));
  }
  return packets;
}

FileBytes pcapOf(std::uint16_t linkType, bool big, const std::vector<FileBytes>& packets) {
  const PcapKind kind{.bigEndian = big, .network = linkType};
  FileBytes file = pcapHeader(kind);
  for (const FileBytes& packet : packets) {
    file =
        std::move(file) + pcapRecord(kind, 1, 0, packet, static_cast<std::uint32_t>(packet.size() + packet.size() % 2));
  }
  return file;
}

FileBytes pcapngOf(std::uint16_t linkType, bool big, const std::vector<FileBytes>& packets) {
  FileBytes file = ngSection(big) + ngInterface(big, linkType, 0);
  for (const FileBytes& packet : packets) {
    file += ngPacket(big, 0, 1, packet, static_cast<std::uint32_t>(packet.size()));
  }
  return file;
}

}  // namespace

TEST(libpcap_gives_the_same_bytes_in_both_byte_orders) {
  for (const std::uint16_t linkType : {113, 117, 189, 220, 239, 276, 1, 258}) {
    for (const bool big : {false, true}) {
      const std::vector<FileBytes> packets = packetsOf(linkType, big);
      for (const FileBytes& file : {pcapOf(linkType, big, packets), pcapngOf(linkType, big, packets)}) {
        const auto ours = readHere(file);
        const auto theirs = readByLibpcap(file);
        CHECK(ours.size() == packets.size() && theirs.size() == packets.size());
        std::size_t different = 0;
        for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
          if (ours[i] == theirs[i]) continue;
          if (different++ == 0) std::fprintf(stderr, "link type %u, big %d, packet %zu\n", linkType, big, i);
        }
        CHECK(different == 0);
        // A file of the other byte order must have required a conversion.
        const bool foreign = big == (std::endian::native == std::endian::little);
        CHECK((ours != packets) == (foreign && hasHostOrderHeader(linkType)));
      }
    }
  }
}

TEST(a_can_xl_header_is_converted) {
  FileBytes cooked(16);
  cooked[15] = 0x0e;
  FileBytes packet = cooked + FileBytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
  swapPseudoHeader(113, packet, static_cast<std::uint32_t>(packet.size()));
  CHECK(packet == (cooked + FileBytes{4, 3, 2, 1, 5, 6, 8, 7, 12, 11, 10, 9, 13}));
}
