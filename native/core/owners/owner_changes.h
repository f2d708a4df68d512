// Counts the changes of a table of sockets by their ports, so that whoever keeps an answer knows whether it still
// holds.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/owners/socket_ends.h"

namespace ringtap {

class OwnerChanges {
 public:
  // What is known of sockets with these ends has changed. Call it under the lock that answers are given under.
  void changed(const SocketEnds& ends) { add(slots_[slotOf(ends.localPort, ends.remotePort)]); }
  // Any answer may have changed.
  void changedAll() { add(all_); }

  // Any thread. Another number after a change that concerns a packet with these ends, of either direction: of the
  // connected sockets, and of those that are bound to one of its ports.
  [[nodiscard]] std::uint64_t stamp(const SocketEnds& ends) const {
    // Each of them only grows, and so does the sum.
    return read(all_) + read(slots_[slotOf(ends.localPort, ends.remotePort)]) +
           read(slots_[slotOf(ends.localPort, 0)]) + read(slots_[slotOf(ends.remotePort, 0)]);
  }

 private:
  using Count = std::atomic<std::uint64_t>;
  static constexpr unsigned kBits = 12;

  static void add(Count& count) { count.fetch_add(1, std::memory_order_release); }
  static std::uint64_t read(const Count& count) { return count.load(std::memory_order_acquire); }
  // The same for both directions.
  static std::size_t slotOf(std::uint16_t one, std::uint16_t other) {
    const auto sum = static_cast<std::uint32_t>(one + other);
    const auto difference = static_cast<std::uint32_t>(one ^ other);
    return (sum * 0x9e3779b1u ^ difference * 0x85ebca6bu) >> (32 - kBits);
  }

  Count all_{0};
  std::array<Count, std::size_t{1} << kBits> slots_{};
};

}  // namespace ringtap
