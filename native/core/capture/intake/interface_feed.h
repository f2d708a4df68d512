// Brings the events of interfaces from the kernel into the book, the table and the queue, in one order for all rings.
//
// Thread-safe: any ring's loop may read, whichever needs the events first.
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
    std::function<Moment()> now;                       // and where all rings are: see InterfaceBook::enter()
    std::function<void()> resynced;                    // events were lost, and the list of interfaces was read anew
    std::function<void(std::uint64_t epoch)> decided;  // no event up to this one waits for a verdict
  };
  InterfaceFeed(InterfaceMonitor monitor, InterfaceBook& book, SelectionTable& table, ChunkQueue& queue,
                Listener listener)
      : monitor_(std::move(monitor)), book_(book), table_(table), queue_(queue), listener_(std::move(listener)) {}

  // As the monitor's: readable when there are events. read() drains it.
  [[nodiscard]] int fd() const { return monitor_.fd(); }
  // The interfaces at the time of opening; only before the loops run.
  [[nodiscard]] const std::map<std::uint32_t, InterfaceInfo>& initial() const { return monitor_.interfaces(); }

  // False where too many events wait for JavaScript already: the rest is left to the kernel, whose own queue ends in a
  // resync, until resumed() returns true.
  bool read();
  [[nodiscard]] bool resumed() { return paused_.load() && !queue_.crowded() && paused_.exchange(false); }

  // Reads the events about the device of a packet, which is absent or down as far as is known: afterwards the table has
  // the index, if only as a device that has gone, or as a nameless one.
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
