// One capture: where its packets come from, their filter, and the interfaces of its namespace.
//
// Life: open() → start() → drain()? → close(). Owner: the binding's object for it. open(), start(), close() and the
// destructor may block for some milliseconds (the kernel waits for packets in flight), start() with libpcap for some
// per interface, and belong on a worker thread; all else is quick and may be called from JavaScript's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/block/overflow_memory.h"
#include "core/bpf/kernel_filter.h"
#include "core/capture/intake/block_outlet.h"
#include "core/capture/intake/chunk_queue.h"
#include "core/capture/intake/intake.h"
#include "core/capture/intake/interface_feed.h"
#include "core/capture/intake/promiscuity.h"
#include "core/capture/pcap/pcap_options.h"
#include "core/capture/ring/ring.h"
#include "core/ledger/selection_table.h"
#include "core/links/interface_book.h"
#include "core/links/interface_selection.h"
#include "core/links/netlink_socket.h"
#include "core/links/softnet.h"
#include "core/record/recorder.h"
#include "core/util/clock.h"
#include "core/util/result.h"

namespace ringtap {

enum class Backend { Ring, Pcap };

struct CaptureConfig {
  Backend backend = Backend::Ring;
  RingOptions ring;  // of each
  std::uint32_t ringCount = 1;
  Sharing sharing = Sharing::ByFlow;  // of the rings
  PcapOptions pcap;
  std::size_t overflowMemory = 0;
  FilterSpec filter;
  bool hotplug = false;
  bool promiscuous = false;
  FilterMode filterMode = FilterMode::Auto;
  bool dedupe = false;  // core/bpf/dedupe.h
  // Decides which interfaces are captured; without it, decide() does.
  std::shared_ptr<const InterfaceSelection> selection;
  std::uint64_t (*clock)() = realNow;  // that of the packets' timestamps
};

struct CaptureStats {
  SelectionTable::Stats table;
  LoopStats loops;             // of all
  std::uint64_t received = 0;  // accepted by the filter
  std::uint64_t overflowUsed = 0;
  std::uint64_t monitorOverflows = 0;
  std::optional<SoftnetStats> softnet;
  bool settled = false;  // nothing was on its way through a ring: the statistics per interface are exact

  // Packets of this interface that were received and cannot be delivered, whatever the cause. Nothing where its
  // `received` is not known.
  [[nodiscard]] std::optional<std::uint64_t> lost(const InterfaceStats& one) const;
};

class Capture {
 public:
  // Opens what it receives through. Nothing is received yet. `monitor` knows the interfaces of the namespace, that of
  // the calling thread; `wake`: see ChunkQueue.
  [[nodiscard]] static Result<std::unique_ptr<Capture>> open(const CaptureConfig& config, InterfaceMonitor monitor,
                                                             std::function<void()> wake);
  ~Capture();

  // The interfaces at the time of open(), and what else was asked for by name, by index. Those without a verdict are to
  // be decided with decide(…, epoch 0, …) before start().
  struct InitialInterface {
    InterfaceDescription interface;
    std::optional<bool> selected;
  };
  [[nodiscard]] const std::vector<InitialInterface>& initialInterfaces() const { return initial_; }
  // Attaches the filter, begins reception and starts the threads.
  Result<> start();

  // Answers an event that came without a verdict. commit() makes the kernel follow, once all events at hand are taken
  // and answered; it is due even where all of them had their verdicts.
  void decide(InterfaceId device, std::uint64_t epoch, bool selected);
  Result<> commit();

  [[nodiscard]] std::optional<QueuedEvent> nextEvent();
  [[nodiscard]] std::optional<Error> nextFault() { return queue_.nextFault(); }
  // As ChunkQueue::nextBlock; the verdicts are applied, and the block's packets are in the ledger. A block without any
  // packet left is skipped.
  ChunkQueue::Next nextBlock(std::optional<Lease>& out);

  // Replaces the filter: from here on the kernel applies the new one. What it accepted before is in the kernel and in
  // the queue; oldFilterDrained() returns true when all of that was given out. enforceFilter() applies the new one to
  // the rest. `expression`: the filter as the files of a recording show it.
  Result<> setFilter(const FilterSpec& spec, const std::string& expression = {});
  // The same for the address sets, which are part of what those two mean by the filter.
  Result<> setAddresses(std::shared_ptr<const AddressFilter> addresses);
  [[nodiscard]] bool oldFilterDrained();
  void enforceFilter() { table_.enforceFilter(intake_->ringPosition()); }

  // From the next block on, what is selected goes to the recorder too. One at a time.
  Result<> record(std::shared_ptr<Recorder> recorder);
  // The recording ends when everything received before this call is written. What the loops cannot hand over for more
  // than a second is left to JavaScript, with a fault that reports it.
  void stopRecording();
  // Whether JavaScript takes blocks: without that, while there is a recording, none wait for it.
  void listen(bool listening) { outlet_.listen(listening); }

  // Ends intake: when every packet accepted before this call is in the queue, the queue finishes.
  void drain();
  [[nodiscard]] bool intakeEnded() const { return queue_.finished(); }
  // Ends the threads and closes the descriptors. What waits is dropped; leases stay readable. Idempotent.
  void close();

  // The ledger, and beside it what was lost ahead of the rings; the kernel reads the devices' counters under its RTNL
  // lock. JavaScript's thread.
  [[nodiscard]] CaptureStats stats();
  // The same without what was lost ahead of the rings. Nothing where the rings have accepted `packets` packets, and no
  // further one.
  [[nodiscard]] std::optional<CaptureStats> ledgerAfter(std::uint64_t packets);
  [[nodiscard]] IntakeSize size() const { return intake_->size(); }
  // What a filter for setFilter() has to be compiled for beside the link types of the interfaces.
  [[nodiscard]] std::vector<std::uint16_t> linkTypes() const { return intake_->linkTypes(); }
  [[nodiscard]] FilterMode filterMode() const { return table_.filterMode(); }
  // Outlives the capture, for packets that are kept.
  [[nodiscard]] std::shared_ptr<const InterfaceBook> book() const { return book_; }

 private:
  Capture(const CaptureConfig& config, InterfaceMonitor monitor, netlink::Requester counters,
          std::function<void()> wake);
  Result<> openIntake();
  void addInitial();

  [[nodiscard]] CaptureStats stats(const LossesByIndex& losses);

  // Applies a verdict to all but the table: rings of single interfaces, and promiscuous mode.
  void follow(InterfaceId device, bool selected);
  [[nodiscard]] Moment now() const { return {config_.clock(), intake_->ringPosition()}; }
  void resetDrained();
  [[nodiscard]] Losses losses();
  [[nodiscard]] std::uint64_t speedOf(const std::string& name) const;

  CaptureConfig config_;
  netlink::Requester counters_;  // of the devices of the namespace
  Softnet softnet_;
  const std::shared_ptr<InterfaceBook> book_ = std::make_shared<InterfaceBook>();
  SelectionTable table_;
  ChunkQueue queue_;
  std::function<void()> wake_;
  BlockOutlet outlet_;
  InterfaceFeed feed_;
  std::shared_ptr<OverflowMemory> overflow_;
  std::unique_ptr<Intake> intake_;
  std::vector<InitialInterface> initial_;
  // JavaScript's thread: how many packets must have left each loop, and how many blocks then the queue and the
  // recorder, until nothing is left that an earlier filter accepted.
  std::vector<std::uint64_t> oldInLoops_;
  std::optional<std::uint64_t> oldInQueue_;
  std::uint64_t oldInRecorder_ = 0;
  std::atomic<bool> draining_{false};
  std::atomic<bool> closed_{false};
  Promiscuity promiscuity_;
  std::shared_ptr<Recorder> recorder_;     // the latest
  std::optional<std::string> expression_;  // of the latest setFilter()
};

}  // namespace ringtap
