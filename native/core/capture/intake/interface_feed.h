// Brings the news of interfaces from the kernel into the table and the queue, in one order for all rings.
//
// Thread-safe: every ring's loop may read, whichever needs the news first.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>

#include "core/capture/intake/chunk_queue.h"
#include "core/ledger/selection_table.h"
#include "core/links/interface_history.h"
#include "core/links/interface_monitor.h"

namespace ringtap {

class InterfaceFeed {
 public:
  struct Listener {
    std::function<RingPosition()> ringPosition;  // where all rings are
    std::function<void()> resynced;              // news were lost: what is known was read anew
  };
  InterfaceFeed(InterfaceMonitor monitor, SelectionTable& table, InterfaceHistory& history, ChunkQueue& queue,
                Listener listener)
      : monitor_(std::move(monitor)), table_(table), history_(history), queue_(queue), listener_(std::move(listener)) {}

  // As the monitor's: readable when there is news. read() drains it.
  [[nodiscard]] int fd() const { return monitor_.fd(); }
  // The interfaces at the time of opening; only before the loops run.
  [[nodiscard]] const std::map<std::uint32_t, InterfaceInfo>& initial() const { return monitor_.interfaces(); }

  // False where too many events wait for JavaScript already: the rest is left to the kernel, whose own queue ends in a
  // resync, until resumed() says that there is room.
  bool read();
  [[nodiscard]] bool resumed() { return paused_.load() && !queue_.crowded() && paused_.exchange(false); }

  // Learns about the device of a packet: afterwards the table knows the index, if only as one that has gone, or as a
  // nameless device.
  void learn(std::uint32_t index);

  [[nodiscard]] std::uint64_t overflows() const { return overflows_; }

 private:
  void publish(std::vector<InterfaceEvent>& events);

  std::mutex mutex_;
  InterfaceMonitor monitor_;
  SelectionTable& table_;
  InterfaceHistory& history_;
  ChunkQueue& queue_;
  Listener listener_;
  std::atomic<bool> paused_{false};
  std::atomic<std::uint64_t> overflows_{0};
};

}  // namespace ringtap
