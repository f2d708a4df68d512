// Which offloads the kernel is asked to perform for a captured packet, for packets built here.
#include "core/send/checksum_offload.h"

#include <vector>

#include "support/check.h"

using namespace ringtap;

namespace {

using Bytes = std::vector<std::uint8_t>;

void put16(Bytes& bytes, std::size_t at, unsigned value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

std::uint16_t fold(std::uint64_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

struct Shape {
  bool ipv6 = false;
  std::uint8_t protocol = 6;
  std::size_t payload = 100;
  bool complete = false;            // the checksum is not left to the device
  std::vector<unsigned> tags = {};  // VLAN tags in the frame
  Bytes extension = {};             // IPv6 extension headers
  unsigned fragment = 0;
};

struct Made {
  Bytes frame;
  std::size_t network;
  std::size_t transport;
};

Made make(const Shape& shape) {
  const std::size_t header = shape.protocol == 6 ? 20 : 8;
  const std::size_t length = header + shape.payload;
  Bytes frame(12, 0x02);
  for (const unsigned tag : shape.tags) {
    for (const unsigned byte : {tag >> 8, tag & 0xff, 0u, 5u}) frame.push_back(static_cast<std::uint8_t>(byte));
  }
  frame.push_back(shape.ipv6 ? 0x86 : 0x08);
  frame.push_back(shape.ipv6 ? 0xdd : 0x00);
  const std::size_t network = frame.size();
  const std::size_t transport = network + (shape.ipv6 ? 40 + shape.extension.size() : 20);
  frame.resize(transport + length, 0x5a);
  std::uint64_t sum = shape.protocol + length;
  if (shape.ipv6) {
    frame[network] = 0x60;
    put16(frame, network + 4, static_cast<unsigned>(length + shape.extension.size()));
    frame[network + 6] = shape.extension.empty() ? shape.protocol : 0;
    for (std::size_t i = 8; i < 40; ++i) frame[network + i] = static_cast<std::uint8_t>(i * 7);
    for (std::size_t i = 8; i < 40; i += 2) sum += frame[network + i] << 8 | frame[network + i + 1];
    std::copy(shape.extension.begin(), shape.extension.end(),
              frame.begin() + static_cast<std::ptrdiff_t>(network + 40));
    if (!shape.extension.empty()) frame[network + 40] = shape.protocol;
  } else {
    frame[network] = 0x45;
    put16(frame, network + 2, static_cast<unsigned>(20 + length));
    put16(frame, network + 6, shape.fragment);
    frame[network + 9] = shape.protocol;
    for (std::size_t i = 12; i < 20; ++i) frame[network + i] = static_cast<std::uint8_t>(i * 13);
    for (std::size_t i = 12; i < 20; i += 2) sum += frame[network + i] << 8 | frame[network + i + 1];
  }
  if (shape.protocol == 6) frame[transport + 12] = 0x50;
  if (shape.protocol == 6) frame[transport + 13] = 0x10;
  const std::size_t field = transport + (shape.protocol == 6 ? 16 : 6);
  if (field + 2 <= frame.size()) put16(frame, field, fold(sum) + (shape.complete ? 1 : 0));
  return {std::move(frame), network, transport};
}

ChecksumPlan plan(const Made& made, bool pending = false, std::size_t tagBytes = 0, std::uint32_t mtu = 1500) {
  return planChecksum({made.frame, true, tagBytes, pending, mtu});
}

}  // namespace

TEST(an_unfinished_checksum_is_left_to_the_kernel) {
  for (const bool ipv6 : {false, true}) {
    for (const std::uint8_t protocol : {std::uint8_t{6}, std::uint8_t{17}}) {
      for (const std::vector<unsigned>& tags : {std::vector<unsigned>{}, {0x8100}, {0x88a8, 0x8100}}) {
        const Made made = make({.ipv6 = ipv6, .protocol = protocol, .tags = tags});
        for (const bool pending : {false, true}) {
          const ChecksumPlan found = plan(made, pending, 4);
          CHECK(found.state == ChecksumState::Offloaded);
          CHECK(found.header.flags == VirtioNetHeader::kNeedsChecksum && found.header.segmentation == 0);
          CHECK(found.header.checksumStart == made.transport + 4);
          CHECK(found.header.checksumOffset == (protocol == 6 ? 16 : 6));
        }
      }
    }
  }
  // Raw IP.
  const Made made = make({});
  const std::span<const std::uint8_t> raw(made.frame.begin() + 14, made.frame.end());
  const ChecksumPlan found = planChecksum({raw, false, 0, true, 1500});
  CHECK(found.state == ChecksumState::Offloaded && found.header.checksumStart == 20);
}

TEST(a_super_frame_is_divided) {
  for (const bool ipv6 : {false, true}) {
    const Made made = make({.ipv6 = ipv6, .payload = 20'000});
    const ChecksumPlan found = plan(made, true, 4, 1500);
    const std::size_t headers = (ipv6 ? 40 : 20) + 20;
    CHECK(found.state == ChecksumState::Offloaded);
    CHECK(found.header.segmentation == (ipv6 ? VirtioNetHeader::kTcp6 : VirtioNetHeader::kTcp4));
    CHECK(found.header.segmentSize == 1500 - headers);
    CHECK(found.header.headerLength == 14 + 4 + headers);
  }
  Made reduced = make({.payload = 20'000});
  reduced.frame[reduced.transport + 13] |= 0x80;
  CHECK(plan(reduced).header.segmentation == (VirtioNetHeader::kTcp4 | VirtioNetHeader::kEcn));
  // A frame of exactly the MTU needs no segmentation; datagrams are never segmented.
  CHECK(plan(make({.payload = 1460})).header.segmentation == 0);
  CHECK(plan(make({.payload = 1461})).header.segmentation != 0);
  CHECK(plan(make({.protocol = 17, .payload = 20'000})).header.segmentation == 0);
}

TEST(extension_headers_are_skipped) {
  Bytes options(16);
  options[1] = 1;
  const Made made = make({.ipv6 = true, .extension = options});
  CHECK(plan(made).state == ChecksumState::Offloaded);
  CHECK(plan(made).header.checksumStart == made.transport);
  options[1] = 200;
  CHECK(plan(make({.ipv6 = true, .extension = options}), true).state == ChecksumState::Unfinishable);
}

TEST(complete_or_unknown_packets_are_sent_unchanged_unless_marked) {
  for (const Shape& shape : {Shape{.complete = true}, Shape{.protocol = 132}, Shape{.fragment = 0x2000},
                             Shape{.fragment = 1}, Shape{.ipv6 = true, .protocol = 58}}) {
    const Made made = make(shape);
    CHECK(plan(made).state == ChecksumState::Complete);
    CHECK(plan(made, true).state == ChecksumState::Unfinishable);
  }
  // Truncated at every length.
  const Made made = make({.ipv6 = true, .tags = {0x8100}});
  for (std::size_t length = 0; length < made.frame.size(); ++length) {
    const Bytes cut(made.frame.begin(), made.frame.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK(planChecksum({cut, true, 0, false, 1500}).state == ChecksumState::Complete);
    CHECK(planChecksum({cut, false, 0, true, 1500}).state == ChecksumState::Unfinishable);
  }
}
