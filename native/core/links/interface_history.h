// Which device an interface index meant at which epoch, and under which name at which time: a packet belongs to the
// interface as it was when the packet was taken (selection_table.h). For what is written in native code; JavaScript has
// its own (lib/interfaces/interface-history.ts), by the same rules.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/links/interface_info.h"

namespace ringtap {

class InterfaceHistory {
 public:
  // The event that began the epoch, read at `time` (nanoseconds since 1970); 0 and 0: of the list at the start.
  void record(const InterfaceEvent& event, std::uint64_t epoch, std::uint64_t time);
  // Of a packet of that time in a block taken at that epoch. A nameless device where none is known.
  [[nodiscard]] std::shared_ptr<const InterfaceInfo> resolve(std::uint32_t index, std::uint64_t epoch,
                                                             std::uint64_t timestamp) const;
  // When anything was recorded last: packets of later than this need no time to be told apart.
  [[nodiscard]] std::uint64_t latest() const { return latest_; }

 private:
  struct Entry {
    std::uint64_t epoch;
    std::uint64_t since;  // packets up to this time are of the entry before
    std::shared_ptr<const InterfaceInfo> interface;
  };

  mutable std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::vector<Entry>> byIndex_;
  std::deque<std::uint32_t> gone_;  // oldest first, a bounded number
  std::atomic<std::uint64_t> latest_{0};
};

}  // namespace ringtap
