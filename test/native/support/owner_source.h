// Owners of sockets from a table that a test fills, and packets of theirs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/owners/owner_source.h"
#include "core/owners/packet_ends.h"
#include "support/blocks.h"

namespace support {

inline constexpr std::uint64_t kSecond = 1'000'000'000;

inline ringtap::ProcessPointer process(std::uint32_t pid, std::string name) {
  return std::make_shared<const ringtap::ProcessRecord>(
      ringtap::ProcessRecord{.id = pid, .pid = pid, .name = std::move(name)});
}

// From port 40000 to `port`, or back, both of 127.0.0.1.
inline MadeRecord packet(std::uint32_t seconds, std::uint16_t port = 443, bool back = false) {
  std::vector<std::uint8_t> bytes(12, 2);
  const auto add = [&](const std::vector<std::uint8_t>& more) { bytes.insert(bytes.end(), more.begin(), more.end()); };
  add({8, 0, 0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1});
  const std::vector<std::uint8_t> client{0x9c, 0x40};
  const std::vector<std::uint8_t> server{static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)};
  add(back ? server : client);
  add(back ? client : server);
  bytes.resize(bytes.size() + 16);
  return {.bytes = bytes, .seconds = seconds};
}

// The ends of such a packet.
inline ringtap::SocketEnds ends(std::uint16_t port = 443, bool back = false) {
  return *ringtap::packetEnds(1, packet(1, port, back).bytes);
}

// In place of the watch. Thread-safe but for `table`, which is for tests of one thread.
struct Owners final : ringtap::OwnerSource {
  explicit Owners(std::uint64_t since) {
    table.setAddresses(ringtap::OwnerTable::kOwnSpace, {ends().local});
    sweep(since);
  }

  ringtap::OwnerAnswer answer(const ringtap::SocketEnds& of, std::uint64_t time) override {
    const std::lock_guard lock(mutex);
    ++answers;
    return {table.find(of, time), table.steadyAround(of, time)};
  }
  [[nodiscard]] std::uint64_t stamp(const ringtap::SocketEnds& of) const override { return table.changes().stamp(of); }
  std::uint64_t ask() override { return ++asked; }
  [[nodiscard]] std::uint64_t sweptAt() const override { return swept; }
  [[nodiscard]] bool ended() const override { return closed; }

  void sweep(std::uint64_t time) {
    const std::lock_guard lock(mutex);
    table.swept(time);
    swept = time;
  }
  void hold(std::uint32_t inode, const ringtap::ProcessPointer& holder) {
    table.hold([&](std::uint32_t each) {
      return each == inode ? std::vector{holder} : std::vector<ringtap::ProcessPointer>{};
    });
  }
  // A list finds both ends of a connection: curl(7) on port 40000, nginx(8) on 443.
  void connect(std::uint64_t time) {
    {
      const std::lock_guard lock(mutex);
      table.seen(ringtap::OwnerTable::kOwnSpace, {.ends = ends(), .cookie = 1, .inode = 1}, time);
      table.seen(ringtap::OwnerTable::kOwnSpace, {.ends = ends(443, true), .cookie = 2, .inode = 2}, time);
      hold(1, process(7, "curl"));
      hold(2, process(8, "nginx"));
    }
    sweep(time);
  }

  std::mutex mutex;
  ringtap::OwnerTable table{1 << 20, 60 * kSecond};
  std::size_t answers = 0;
  std::atomic<std::uint64_t> swept{0};
  std::atomic<std::uint64_t> asked{0};
  std::atomic<bool> closed{false};
};

}  // namespace support
