// What delta_coding.h rewrites, it restores to the byte: sections of every kind of block, and what is none.
#include "core/savefile/delta_coding.h"

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "core/savefile/pack.h"
#include "core/util/link_type.h"
#include "support/check.h"
#include "support/choices.h"
#include "support/savefiles.h"

using namespace ringtap;
using support::Choices;
using support::files::FileBytes;
using support::files::FileWriter;

namespace {

FileBytes block(std::uint32_t type, FileBytes body) {
  body.resize((body.size() + 3) / 4 * 4);
  const auto length = static_cast<std::uint32_t>(body.size() + 12);
  return FileWriter().u32(type).u32(length).raw(body).u32(length).bytes;
}

FileBytes interfaceBlock(std::uint16_t linkType) {
  return block(savefile::kInterfaceDescription, FileWriter().u16(linkType).u16(0).u32(262'144).bytes);
}

FileBytes packetBlock(std::uint32_t interface, std::uint64_t time, std::uint32_t original, const FileBytes& data,
                      const FileBytes& options = {}, std::uint8_t padding = 0) {
  FileWriter body;
  body.u32(interface).u32(static_cast<std::uint32_t>(time >> 32)).u32(static_cast<std::uint32_t>(time));
  body.u32(static_cast<std::uint32_t>(data.size())).u32(original).raw(data);
  while (body.bytes.size() % 4 != 0) body.u8(padding);
  return block(savefile::kEnhancedPacket, body.raw(options).bytes);
}

FileBytes some(Choices& random, std::size_t length) {
  FileBytes bytes(length);
  for (auto& each : bytes) each = static_cast<std::uint8_t>(random.below(256));
  return bytes;
}

FileBytes ethernet(std::uint16_t type, int tags = 0) {
  FileBytes bytes(12, 2);
  for (; tags > 0; --tags) bytes.insert(bytes.end(), {0x81, 0x00, 0x00, 0x07});
  bytes.push_back(static_cast<std::uint8_t>(type >> 8));
  bytes.push_back(static_cast<std::uint8_t>(type));
  return bytes;
}

// IP and TCP or UDP of one of some flows.
FileBytes ip(Choices& random, std::uint32_t flows) {
  const auto flow = static_cast<std::uint8_t>(random.below(flows));
  const bool six = flow % 3 == 0, tcp = flow % 2 == 0;
  FileWriter to;
  if (six) {
    to.u32(0x60).u8(0).u8(20).u8(tcp ? 6 : 17).u8(64).raw(FileBytes(15, 1)).u8(flow).raw(FileBytes(16, 3));
  } else {
    to.u8(0x45).u8(0).u16(0).raw(some(random, 2)).u16(0).u8(64).u8(tcp ? 6 : 17).raw(some(random, 2));
    to.u32(0x0a000001).raw({10, 1, 0, flow});
  }
  to.u8(0x9c).u8(flow).u8(1).u8(0xbb);
  if (tcp) to.raw(some(random, 8)).u8(static_cast<std::uint8_t>(random.below(256))).raw(some(random, 7));
  else to.raw(some(random, 4));
  return to.bytes;
}

using support::files::operator+;
using support::files::operator+=;

FileBytes sectionOf(Choices& random) {
  const std::uint16_t linkTypes[] = {
      kLinkTypeEthernet, kLinkTypeRaw, kLinkTypeIpv4, kLinkTypeLinuxSll, kLinkTypeLinuxSll2, kLinkTypeIpv6, 147};
  FileBytes bytes = block(savefile::kSectionHeader, FileWriter().u32(savefile::kByteOrderMagic).u32(1).u64(~0u).bytes);
  std::uint64_t time = std::uint64_t{1} << 60;
  for (std::uint32_t count = random.below(200); count > 0; --count) {
    const std::uint32_t kind = random.below(40);
    if (kind == 0) bytes += interfaceBlock(linkTypes[random.below(7)]);
    else if (kind == 1) bytes += block(random.below(12), some(random, random.below(40)));
    else {
      time += random.oneIn(20) ? std::uint64_t{random.any()} << random.below(20) : random.below(100'000);
      if (random.oneIn(10)) time -= random.any();
      FileBytes data = random.oneIn(5) ? some(random, random.below(70)) : FileBytes{};
      if (data.empty()) {
        const int link = static_cast<int>(random.below(4));
        if (link < 2) data = ethernet(random.oneIn(3) ? 0x86dd : 0x0800, link);
        else if (link == 2) data = FileBytes(14, 0) + FileBytes{8, 0};
        data += ip(random, 1 + random.below(20)) + some(random, random.below(3) * random.below(200));
      }
      if (random.oneIn(4)) data.resize(random.below(static_cast<std::uint32_t>(data.size()) + 1));
      const auto original = static_cast<std::uint32_t>(data.size() + (random.oneIn(3) ? random.below(2000) : 0));
      const FileBytes options = random.oneIn(3) ? some(random, 4 * random.below(4)) : FileBytes{2, 0, 4, 0, 1, 0, 0, 0};
      bytes += packetBlock(random.below(4), time, original, data, options, random.oneIn(30) ? 7 : 0);
    }
  }
  if (random.oneIn(3)) bytes += some(random, random.below(60));
  if (random.oneIn(8)) bytes.resize(random.below(static_cast<std::uint32_t>(bytes.size()) + 1));
  return bytes;
}

std::span<const std::byte> bytesOf(const FileBytes& bytes) {
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST(whatIsEncodedIsRestored) {
  ByteSink encoded;
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    Choices random(seed);
    const FileBytes section = seed == 0 ? FileBytes{} : seed < 50 ? some(random, seed) : sectionOf(random);
    CHECK(deltaEncode(bytesOf(section), encoded));
    CHECK(encoded.size() <= section.size() + section.size() / 12 + 64);
    std::vector<std::byte> restored(section.size() + 1, std::byte{0xee});
    CHECK(deltaDecode(encoded.bytes(), std::span(restored).first(section.size())));
    CHECK(section.empty() || std::memcmp(restored.data(), section.data(), section.size()) == 0);
    CHECK(restored.back() == std::byte{0xee});
  }
}

TEST(whatIsDamagedIsRefusedOrRestoredToSomething) {
  ByteSink encoded;
  for (std::uint32_t seed = 1; seed < 400; ++seed) {
    Choices random(seed);
    const FileBytes section = sectionOf(random);
    CHECK(deltaEncode(bytesOf(section), encoded));
    // Of their own size, so that the sanitizer sees each access beyond it.
    std::vector<std::byte> damaged(encoded.bytes().begin(), encoded.bytes().end());
    for (std::uint32_t flips = 1 + random.below(4); flips > 0; --flips) {
      const std::uint32_t at = random.below(static_cast<std::uint32_t>(random.oneIn(2) ? 28 : damaged.size()));
      damaged[at] = static_cast<std::byte>(random.below(256));
    }
    if (random.oneIn(4)) damaged.resize(random.below(static_cast<std::uint32_t>(damaged.size()) + 1));
    std::vector<std::byte> restored(section.size());
    auto decoded = deltaDecode(damaged, restored);
    CHECK(decoded || decoded.error().code == Code::FileDamaged);
    // Of another length than it was made of.
    restored.resize(section.size() + (random.oneIn(2) ? 4 : 0) - (section.size() >= 4 && random.oneIn(2) ? 4 : 0));
    if (restored.size() != section.size()) CHECK(!deltaDecode(encoded.bytes(), restored));
  }
}

// 250 connections, in random order: the sequence number, the identification, both checksums and the times
// change.
TEST(headersOfConnectionsCompressToLess) {
  Choices random(1);
  std::vector<FileBytes> flows;
  for (std::uint8_t i = 0; i < 250; ++i) {
    FileBytes header =
        ethernet(0x0800) + FileBytes{0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, i, 10, 0, 1, 1};
    flows.push_back(header + some(random, 2) + FileBytes{1, 0xbb} + some(random, 8) +
                    FileBytes{0x50, 0x10, 1, 1, 0, 0, 0, 0});
  }
  FileBytes section = interfaceBlock(kLinkTypeEthernet);
  std::uint64_t time = std::uint64_t{1} << 60;
  for (int i = 0; i < 10'000; ++i) {
    FileBytes& header = flows[random.below(250)];
    for (const std::size_t at : {24, 25, 50, 51}) header[at] = static_cast<std::uint8_t>(random.below(256));
    if (++header[19] == 0) ++header[18];
    if (++header[41] == 0) ++header[40];
    time += random.below(20'000);
    section += packetBlock(0, time, 54, header);
  }
  ByteSink plain, encoded;
  std::memcpy(plain.grow(section.size()), section.data(), section.size());
  CHECK(deltaEncode(bytesOf(section), encoded));
  CHECK(pack(plain, Packing::Gzip) && pack(encoded, Packing::Gzip));
  std::printf("%zu bytes in all, compressed: %zu, of differences: %zu\n", section.size(), plain.size(), encoded.size());
  CHECK(encoded.size() < plain.size() / 2);
}
