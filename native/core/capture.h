// One capture: its ring, its filter, the interfaces it has met, and the thread that takes blocks from the kernel.
//
// Life: open() → start() → stop()? → close(). Owner: the binding's object for it. open(), close() and the destructor
// may block for some milliseconds (the kernel waits for packets in flight) and belong on a worker thread; all else is
// quick and may be called from JavaScript's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "core/chunk_queue.h"
#include "core/interface_monitor.h"
#include "core/kernel_filter.h"
#include "core/result.h"
#include "core/ring.h"
#include "core/selection_table.h"

namespace ringtap {

struct CaptureConfig {
  RingOptions ring;
  FilterSpec filter;
  bool hotplug = false;
  bool promiscuous = false;
  TableForm form = TableForm::Auto;
};

struct CaptureFigures {
  SelectionTable::Figures table;
  RingStatistics ring;
  std::uint64_t received = 0;  // accepted by the filter
  std::uint64_t monitorOverflows = 0;
};

class Capture {
 public:
  // Opens the ring. Nothing is received yet. `monitor` knows the interfaces of the namespace; `wake`: see ChunkQueue.
  [[nodiscard]] static Result<std::unique_ptr<Capture>> open(const CaptureConfig& config, InterfaceMonitor monitor,
                                                             std::function<void()> wake);
  ~Capture();

  // The interfaces at the time of open(), to be decided with decide(…, epoch 0, …) before start().
  [[nodiscard]] const std::map<std::uint32_t, InterfaceInfo>& initialInterfaces() const {
    return monitor_->interfaces();
  }
  // Attaches the filter, begins reception and starts the thread.
  Result<> start();

  // Answers an event. After a run of answers, commit() makes the kernel follow them.
  void decide(std::uint32_t index, std::uint32_t generation, std::uint64_t epoch, bool selected);
  Result<> commit() { return table_.commit(); }

  [[nodiscard]] std::optional<QueuedEvent> nextEvent();
  [[nodiscard]] std::optional<Error> nextFault() { return queue_.nextFault(); }
  // As ChunkQueue::nextBlock; the block's packets are settled in the ledger. A block of which nothing is left after the
  // decisions is passed over.
  ChunkQueue::Next nextBlock(std::optional<Lease>& out);

  // Ends intake: when every packet accepted before this call is in the queue, the queue finishes.
  void stop();
  // Ends the thread and closes the descriptors. What waits is dropped; leases stay readable. Idempotent.
  void close();

  [[nodiscard]] CaptureFigures figures();
  [[nodiscard]] const Ring& ring() const { return *ring_; }
  [[nodiscard]] TableForm form() const { return table_.form(); }

 private:
  Capture(const CaptureConfig& config, std::function<void()> wake);

  void run();
  void readMonitor();
  void meetStranger(std::uint32_t index);
  void publish(std::vector<InterfaceEvent>& events);
  void takeBlocks();
  void reportSocketError();
  [[nodiscard]] bool drained();
  void signal();
  [[nodiscard]] std::uint64_t horizon() const { return blocksTaken_ + ring_->blockCount() + 1; }

  CaptureConfig config_;
  std::shared_ptr<Ring> ring_;
  std::unique_ptr<InterfaceMonitor> monitor_;  // the thread's once it runs
  SelectionTable table_;
  ChunkQueue queue_;
  UniqueFd epoll_;
  UniqueFd eventfd_;
  std::thread thread_;
  std::uint32_t cursor_ = 0;  // the block to be taken next
  std::uint64_t blocksTaken_ = 0;
  bool monitorBehind_ = false;  // left unread because too many events wait
  std::atomic<std::uint64_t> monitorOverflows_{0};
  std::atomic<bool> closing_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> resume_{false};
  std::mutex promiscuousMutex_;
  std::set<std::uint32_t> promiscuous_;
};

}  // namespace ringtap
