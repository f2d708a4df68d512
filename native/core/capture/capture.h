// A capture: its sources of packets, its filter, and the interfaces of its network namespace.
//
// Life cycle: open() → start() → drain()? → close(). Owner: the binding's object for it. open(), start(), close() and
// the destructor may block for some milliseconds (the kernel waits for packets in flight), start() with libpcap for
// some milliseconds per interface: call them on a worker thread. All other functions are quick and may be called on
// JavaScript's thread. With `promiscuous`, decide() and nextEvent() change memberships, for which the kernel takes its
// RTNL lock: they wait as long as another process holds that.
#pragma once

#include <atomic>
#include <chrono>
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
#include "core/ledger/reduction_log.h"
#include "core/ledger/selection_table.h"
#include "core/links/device_table.h"
#include "core/links/hardware_timestamps.h"
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
  RingOptions ring;  // of each ring
  RingLayout layout;
  PcapOptions pcap;
  std::size_t overflowMemory = 0;
  FilterSpec filter;
  bool hotplug = false;
  bool promiscuous = false;
  FilterMode filterMode = FilterMode::Auto;
  bool dedupe = false;                    // core/bpf/dedupe.h
  std::optional<CutoffOptions> cutoff{};  // core/bpf/cutoff.h
  // Selects the interfaces to capture; if null, decide() does.
  std::shared_ptr<const InterfaceSelection> selection;
  std::uint64_t (*clock)() = realNow;  // the clock of the packets' timestamps
};

struct CaptureStats {
  SelectionTable::Stats table;
  LoopStats loops;             // the sums over all loops
  std::uint64_t received = 0;  // accepted by the filter
  std::uint64_t taken = 0;     // from the rings
  std::uint64_t overflowUsed = 0;
  std::uint64_t monitorOverflows = 0;
  std::optional<SoftnetStats> softnet;
  IntakeSize size;
  FilterMode filterMode = FilterMode::None;
  bool settled = false;  // no packet was in a ring: the statistics per interface are exact

  // Whether packets were lost between the filter and the blocks that were taken.
  [[nodiscard]] bool lossy() const { return loops.ringDrops + loops.overflowDrops + table.malformed > 0; }
  // Packets of this interface that were received and cannot be delivered, for any reason. nullopt if its `received` is
  // unknown.
  [[nodiscard]] std::optional<std::uint64_t> lost(const InterfaceStats& one) const;
  // Adds to `queued` what is in a ring. Per interface only if nothing was lost: what is missing may be either
  // otherwise.
  void countRingAsQueued();
  // Packets lost because they were not read in time, in the kernel or in the queue.
  [[nodiscard]] std::uint64_t droppedByOverflow() const { return loops.overflowDrops + table.droppedByOverflow; }
};

class Capture {
 public:
  // Opens the rings or libpcap's handles; nothing is received yet. `monitor`: for the network namespace of the calling
  // thread. `wake`: see ChunkQueue.
  [[nodiscard]] static Result<std::unique_ptr<Capture>> open(const CaptureConfig& config, InterfaceMonitor monitor,
                                                             std::function<void()> wake);
  ~Capture();

  // The interfaces at the time of open() and the other devices configured by name, ordered by index. Those without a
  // verdict have to be decided with decide(…, epoch 0, …) before start().
  struct InitialInterface {
    InterfaceDescription interface;
    std::optional<bool> selected;
  };
  [[nodiscard]] const std::vector<InitialInterface>& initialInterfaces() const { return initial_; }
  [[nodiscard]] IntakeSize size() const { return intake_->size(); }
  // Attaches the filter, begins reception and starts the threads.
  Result<> start();

  // decide() sets the verdict of an event that came without one. commit() updates the kernel's filter; call it once all
  // waiting events are taken and decided, also if all of them came with verdicts.
  void decide(InterfaceId device, std::uint64_t epoch, bool selected);
  Result<> commit();

  [[nodiscard]] std::optional<QueuedEvent> nextEvent();
  [[nodiscard]] std::optional<Error> nextFault() { return queue_.nextFault(); }
  // Whether there are events or faults to take.
  [[nodiscard]] bool hasEvents() const { return queue_.hasEvents(); }
  // Like ChunkQueue::nextBlock, with the verdicts applied and the block's packets entered in the ledger. Skips blocks
  // that have no packet left.
  ChunkQueue::Next nextBlock(std::optional<Lease>& out);

  // Replaces the filter: on return the kernel applies the new one. Packets accepted by the old filter may still be in
  // the kernel and in the queue; oldFilterDrained() returns true once all of them have been handed out. enforceFilter()
  // applies the new filter to those that remain. `expression`: the filter's text for the files of a recording.
  Result<> setFilter(const FilterSpec& spec, const std::string& expression = {});
  // The same for the address sets; oldFilterDrained() and enforceFilter() apply to them too.
  Result<> setAddresses(std::shared_ptr<const AddressFilter> addresses);
  // The same for the excluded connections.
  Result<> setConnections(std::shared_ptr<const ConnectionFilter> connections);
  // The same for the sampling by flow; null: every flow.
  Result<> setSample(std::shared_ptr<const SampleFilter> sample);
  // Marks a connection for the cut-off; effective on return. See KernelFilter::mark().
  Result<> mark(const Connection& connection, CutoffMark mark) { return table_.mark(connection, mark); }
  [[nodiscard]] bool oldFilterDrained();
  void enforceFilter() { table_.enforceFilter(); }

  // From the next block on, selected packets also go to the recorder. One recorder at a time. If JavaScript does not
  // listen, blocks that wait for it are dropped to make room. May block for some milliseconds until there is room for
  // new packets. A recorder whose target is not lasting takes JavaScript's place: it also gets the blocks that wait for
  // JavaScript, which must not listen until endBatches().
  Result<> record(std::shared_ptr<Recorder> recorder);
  // Ends the recording into a target that is not lasting, if there is one. Packets in the target count as dropped by
  // overflow; what the recorder has not read waits for JavaScript again. Takes some milliseconds.
  void endBatches();
  // The recording ends when all packets received before this call are written. Packets that the loops cannot hand over
  // for more than a second are not recorded, only delivered to JavaScript, and a fault reports that.
  void stopRecording();
  // From the next block on, selected packets also go to this recorder, whose options say `secondary`, beside JavaScript
  // and record(). One at a time. As with record(), blocks are queued for JavaScript only if it listens.
  Result<> fly(std::shared_ptr<Recorder> flight);
  // The same for the recorder that keeps packets for readers, independent of the flight recorder.
  Result<> serve(std::shared_ptr<Recorder> server);
  // It ends when all packets received before this call are in its target; with a fault as of stopRecording().
  void endServer();
  // The flight recorder ends when all that was handed over to it is in its target.
  void endFlight();
  // Marks the flight recorder (Recorder::mark) when every packet that was received until `after` from now is handed
  // over, or after a second more with a fault. Not after close().
  void markFlight(std::chrono::milliseconds after, std::function<void()> reached);
  // The same for the recording, with every packet received so far.
  void markRecording();
  // Whether JavaScript takes blocks. If it does not, no blocks are queued for it during a recording.
  void listen(bool listening);

  // Ends intake: the queue finishes once every packet accepted before this call is in it.
  void drain();
  [[nodiscard]] bool intakeEnded() const { return queue_.finished(); }
  // Ends the threads and closes the descriptors. Waiting blocks and events are dropped; leased blocks stay readable.
  // Idempotent.
  void close();
  // The statistics at the end of close(): `queued` counts the packets that nobody will get, in the queue or in a ring.
  [[nodiscard]] const CaptureStats& finalStats() const { return final_; }

  // The ledger, and the packets lost before they reached a ring. Makes no system call that waits for the kernel's RTNL
  // lock: the losses of physical devices are those of the last updateLosses(). JavaScript's thread.
  [[nodiscard]] CaptureStats stats();
  // Reads the losses that stats() cannot read itself; null if no captured device needs that. The function waits for the
  // RTNL lock: call it on a worker thread, one at a time. It may outlive the capture.
  [[nodiscard]] std::function<Result<ReportedLosses>()> lossReader();
  void updateLosses(const ReportedLosses& losses) { table_.updateLosses(losses); }
  // The same without the packets lost before they reached a ring. nullopt if the rings have accepted no more than
  // `packets` packets.
  [[nodiscard]] std::optional<CaptureStats> ledgerAfter(std::uint64_t packets);
  // Returns whether these interfaces stamp the packets that they receive, one result per name. The function waits for
  // the RTNL lock: call it on a worker thread. It may outlive the capture.
  [[nodiscard]] std::function<std::vector<HardwareTimestamps>()> timestampReader(std::vector<std::string> names) const;
  // The link types that a filter for setFilter() has to be compiled for.
  [[nodiscard]] std::vector<std::uint16_t> linkTypes() const;
  [[nodiscard]] FilterMode filterMode() const { return table_.filterMode(); }
  // Shared, because packets that are kept need it after the capture has ended.
  [[nodiscard]] std::shared_ptr<const InterfaceBook> book() const { return book_; }

 private:
  Capture(const CaptureConfig& config, InterfaceMonitor monitor, netlink::Requester counters,
          std::function<void()> wake);
  Result<> openIntake();
  void addInitial();

  [[nodiscard]] CaptureStats stats(const DeviceLines* lines);

  // Applies a verdict outside the table: to loops that capture single interfaces, and to promiscuous mode.
  void follow(InterfaceId device, bool selected);
  [[nodiscard]] Moment now() const { return {config_.clock(), intake_->ringPosition()}; }
  void filterReplaced();
  void resetDrained();
  [[nodiscard]] Losses losses();
  [[nodiscard]] Recorder::Context recorderContext(bool sinceOpening);
  Result<> attach(std::shared_ptr<Recorder>& slot, std::shared_ptr<Recorder> secondary, std::string inUse);
  // Returns true from the moment on when every packet received before `from` is handed over. Past `overdue` it reports
  // that as a fault of `what`, once, and returns true.
  [[nodiscard]] std::function<bool()> caughtUp(std::chrono::steady_clock::time_point from, std::string what);
  [[nodiscard]] std::chrono::milliseconds maxDelay() const;

  CaptureConfig config_;
  const std::shared_ptr<netlink::Requester> counters_;  // of the devices of the namespace
  DeviceTable deviceTable_;
  Softnet softnet_;
  const std::shared_ptr<InterfaceBook> book_ = std::make_shared<InterfaceBook>();
  SelectionTable table_;
  ReductionLog reductions_;
  ChunkQueue queue_;
  std::function<void()> wake_;
  BlockOutlet outlet_;
  InterfaceFeed feed_;
  std::shared_ptr<OverflowMemory> overflow_;
  std::unique_ptr<Intake> intake_;
  std::vector<InitialInterface> initial_;
  // JavaScript's thread. Thresholds after which no packet accepted by an earlier filter is left: the packets taken by
  // each loop, then the blocks handed out by the queue and by the recorder.
  std::vector<std::uint64_t> oldInLoops_;
  std::optional<std::uint64_t> oldInQueue_;
  std::uint64_t oldInRecorder_ = 0;
  std::atomic<bool> draining_{false};
  std::atomic<bool> closed_{false};
  Promiscuity promiscuity_;
  CaptureStats final_;                     // set by close()
  std::shared_ptr<Recorder> recorder_;     // the most recent one
  std::shared_ptr<Recorder> flight_;       // likewise
  std::shared_ptr<Recorder> server_;       // likewise
  bool batched_ = false;                   // there was a recorder whose target is not lasting
  std::optional<std::string> expression_;  // of the latest setFilter()
};

}  // namespace ringtap
