// The segments of a flight recorder, kept as they are and compressed.
#include "core/record/flight_memory.h"

#include <cstring>
#include <vector>

#include "support/check.h"

using namespace ringtap;

namespace {

constexpr std::size_t kMemory = 1 << 20;
constexpr std::size_t kLength = 40'000;

// The content of a segment: compressible, and different for each.
std::vector<std::byte> contentOf(std::uint32_t number) {
  std::vector<std::byte> bytes(kLength);
  for (std::size_t i = 0; i < kLength; ++i) bytes[i] = static_cast<std::byte>(i % 64 == 0 ? number + i / 64 : i % 64);
  return bytes;
}

void add(FlightMemory& memory, std::uint32_t number) {
  const std::vector<std::byte> bytes = contentOf(number);
  SavefileCounts counts;
  counts.packets = 10;
  CHECK(memory.begin().ok() && memory.write(bytes, counts).ok());
  RecordingStream::Cut cut{};
  cut.counts = counts;
  CHECK(memory.complete(cut).ok());
}

bool never() { return false; }
bool atOnce() { return true; }

}  // namespace

TEST(segmentsAreReadAsTheyWereWritten) {
  for (const Packing packing : {Packing::None, Packing::Gzip, Packing::Zstd}) {
    FlightMemory memory({.memory = kMemory, .packing = packing});
    for (std::uint32_t number = 0; number < 5; ++number) add(memory, number);
    const FlightMemory::Held held = memory.held();
    CHECK(held.packets == 50);
    CHECK(packing == Packing::None ? held.memory >= 5 * kLength : held.memory < kLength);
    CHECK(memory.counts().bytes == 5 * kLength);
    for (std::uint32_t number = 0; number < 5; ++number) {
      auto segment = FlightMemory::unpacked(memory.await(number, never));
      CHECK(segment.ok() && (*segment)->number == number && (*segment)->packetsBefore == 10 * number);
      CHECK((*segment)->length == kLength);
      CHECK(std::memcmp((*segment)->bytes.data(), contentOf(number).data(), kLength) == 0);
    }
    CHECK(memory.await(5, atOnce) == nullptr);
  }
}

// A packet may be larger than a segment: the buffers that it needs come out of the memory while they are there.
TEST(theMemoryIsBoundedWhenASegmentIsTooLarge) {
  for (const Packing packing : {Packing::None, Packing::Zstd}) {
    const FlightOptions options{.memory = kMemory, .packing = packing};
    FlightMemory memory(options);
    std::uint32_t number = 0;
    const auto fill = [&] {
      while (memory.held().memory + workingBytes(options) + kLength <= kMemory && number < 5000) add(memory, number++);
    };
    fill();
    const std::uint64_t before = memory.held().memory;
    std::vector<std::byte> large(300'000);
    std::uint32_t state = 1;
    for (std::byte& each : large) each = static_cast<std::byte>((state = state * 1'664'525 + 1'013'904'223) >> 24);
    SavefileCounts counts;
    counts.packets = 1;
    CHECK(memory.begin().ok() && memory.write(large, counts).ok());
    CHECK(memory.held().memory + large.size() <= kMemory);
    RecordingStream::Cut cut{};
    cut.counts = counts;
    CHECK(memory.complete(cut).ok());
    const std::uint64_t held = memory.held().memory;
    CHECK(held >= large.size() && held + (packing == Packing::None ? 1 : 3) * large.size() <= kMemory + large.size());
    CHECK(held < before + large.size());
    auto segment = FlightMemory::unpacked(memory.await(number, never));
    CHECK(segment.ok() && (*segment)->length == large.size());
    CHECK(std::memcmp((*segment)->bytes.data(), large.data(), large.size()) == 0);
    CHECK(memory.begin().ok());
    ++number;
    fill();
    CHECK(memory.held().memory > before / 2);  // the buffers have their usual size again
  }
}

TEST(theMemoryIsBoundedHoweverTheyAreKept) {
  for (const Packing packing : {Packing::None, Packing::Zstd}) {
    const FlightOptions options{.memory = kMemory, .packing = packing};
    FlightMemory memory(options);
    for (std::uint32_t number = 0; number < 3000; ++number) {
      add(memory, number);
      CHECK(memory.held().memory + workingBytes(options) <= kMemory);
    }
    auto oldest = FlightMemory::unpacked(memory.await(0, never));
    const std::uint64_t first = (*oldest)->number;
    CHECK(first > 0 && memory.held().packets == 10 * (3000 - first));
    CHECK(packing == Packing::None ? first > 2900 : first < 2900);
    CHECK(std::memcmp((*oldest)->bytes.data(), contentOf(static_cast<std::uint32_t>(first)).data(), kLength) == 0);
  }
}
