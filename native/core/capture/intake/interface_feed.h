// Reads interface events from the kernel and passes them to the book, the table and the queue, in the same order for
// all rings.
//
// Thread-safe: any ring's loop may read.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>

#include "core/capture/intake/chunk_queue.h"
#include "core/ledger/selection_table.h"
#include "core/links/interface_book.h"
#include "core/links/interface_monitor.h"

namespace ringtap {

class InterfaceFeed {
 public:
  struct Listener {
    std::function<Moment()> now;     // the time and the positions of all rings: see InterfaceBook::enter()
    std::function<void()> resynced;  // events were lost, and the interfaces were read anew
    std::function<void(std::uint64_t epoch)> decided;  // every event up to this epoch has its verdict
  };
  InterfaceFeed(InterfaceMonitor monitor, InterfaceBook& book, SelectionTable& table, ChunkQueue& queue,
                Listener listener)
      : monitor_(std::move(monitor)), book_(book), table_(table), queue_(queue), listener_(std::move(listener)) {}

  // The monitor's descriptor: readable when there are events. read() drains it.
  [[nodiscard]] int fd() const { return monitor_.fd(); }
  // The interfaces when the monitor was opened. Call it only before the loops run.
  [[nodiscard]] const std::map<std::uint32_t, InterfaceInfo>& initial() const { return monitor_.interfaces(); }

  // False if too many events wait for JavaScript. Further events then stay in the kernel's socket queue, which causes a
  // resync if it overflows, until resumed() returns true.
  bool read();
  [[nodiscard]] bool resumed() { return paused_.load() && !queue_.crowded() && paused_.exchange(false); }

  // For a packet whose device is absent or down according to the events read so far: reads the events about it.
  // Afterwards the table has an entry for the index, possibly that of a removed or nameless device.
  void learn(std::uint32_t index);

  [[nodiscard]] std::uint64_t overflows() const { return overflows_; }

 private:
  void publish(const std::vector<InterfaceEvent>& events);

  std::mutex mutex_;
  InterfaceMonitor monitor_;
  InterfaceBook& book_;
  SelectionTable& table_;
  ChunkQueue& queue_;
  Listener listener_;
  std::atomic<bool> paused_{false};
  std::atomic<std::uint64_t> overflows_{0};
};

}  // namespace ringtap
