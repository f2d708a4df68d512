// Applies the verdicts on a capture's interfaces to its blocks.
//
// The parts: the state of each interface (tracked_interface.h: verdicts, counts), the counts of all packets (ledger.h),
// the verdicts in the kernel (kernel_verdicts.h), the relations of interfaces for the removal of duplicates
// (dedupe_relations.h), and the filtering of packets accepted by an earlier filter (refilter.h). The table keeps them
// consistent under one lock.
//
// The verdict that applies to a packet is the one on its interface as it was when the packet was received
// (interface_book.h), even if the verdict is given later. With an InterfaceSelection the verdict is set together with
// the event; otherwise it is pending until JavaScript decides the event.
//
// Thread-safe. The capture loops report events and blocks; JavaScript decides and reads the statistics.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/ledger/dedupe_relations.h"
#include "core/ledger/kernel_verdicts.h"
#include "core/ledger/ledger.h"
#include "core/ledger/reduction_log.h"
#include "core/ledger/refilter.h"
#include "core/ledger/taken_block.h"
#include "core/ledger/tracked_interface.h"
#include "core/links/device_table.h"
#include "core/links/interface_selection.h"
#include "core/util/result.h"

namespace ringtap {

// The counters of all devices as the kernel reported them, and the epoch at the time of the request. Keyed by index,
// because the kernel's reply contains no more; for a device added after that epoch, they may be those of an earlier
// device of its index.
struct ReportedLosses {
  std::uint64_t epoch = 0;
  std::map<std::uint32_t, DeviceLosses> byIndex;
};

class SelectionTable {
 public:
  // `hotplug`: later interfaces, and renamed ones, get a new verdict (and with a selection by names, those whose
  // alternative names change). Without it, later interfaces are unselected, and renamed ones keep their verdict.
  // `dedupe`: see core/bpf/dedupe.h. `selection`: gives the verdicts; if null, decide() does.
  SelectionTable(FilterSpec spec, bool hotplug, bool dedupe = false,
                 std::shared_ptr<const InterfaceSelection> selection = nullptr)
      : spec_(std::move(spec)),
        hotplug_(hotplug),
        selection_(std::move(selection)),
        kernel_(hotplug),
        relations_(dedupe),
        sampled_(spec_.sample != nullptr) {}

  // Sets the kernel's filter; from now on it gets the verdicts. `reached` returns the present position of the rings; it
  // is called under the lock.
  void use(std::unique_ptr<KernelFilter> kernel, std::function<RingPosition()> reached);
  // None before use(). After it, it changes once at most, with replaceFilter() or replaceAddresses(): see
  // KernelFilter::attach().
  [[nodiscard]] FilterMode filterMode() const;

  // Adds an interface that was present before the capture started. Returns its verdict.
  Verdict add(const InterfaceDescription& interface, const std::optional<DeviceLosses>& losses = {});

  // Applies the events of one read of the monitor. `now`: the time and ring position of that read.
  struct Applied {
    std::optional<bool> selected;  // the verdict; nullopt if decide() has to give it, or the event needs none
  };
  std::vector<Applied> apply(const std::vector<BookedEvent>& events, const Moment& now);

  // Sets the verdict for the event of this epoch (0: for a device present at the start), at `now`. False if the device
  // was removed.
  bool decide(InterfaceId device, std::uint64_t epoch, bool selected, const Moment& now);
  [[nodiscard]] bool isPresent(InterfaceId device);
  // Whether packets with this index can be assigned to a device, present or removed.
  [[nodiscard]] bool knows(std::uint32_t index);
  // The link types of the present devices; kLinkTypeUnknown and repetitions included.
  [[nodiscard]] std::vector<std::uint16_t> linkTypes() const;
  // Updates the kernel's filter with the verdicts since the last call.
  Result<> commit(const Moment& now);

  // Replaces the filter in the kernel and here; address sets, connections and sampling stay. After an error the old
  // filter stays in force.
  Result<> replaceFilter(const FilterSpec& spec);
  // The same for the address sets, the excluded connections, or the sampling; the others stay.
  Result<> replaceAddresses(std::shared_ptr<const AddressFilter> addresses);
  Result<> replaceConnections(std::shared_ptr<const ConnectionFilter> connections);
  Result<> replaceSample(std::shared_ptr<const SampleFilter> sample);
  // What the present filter leaves out by sampling and slice.
  [[nodiscard]] Reduction reduction() const;
  // See KernelFilter::mark().
  Result<> mark(const Connection& connection, CutoffMark mark);
  // Applies the present filter, when blocks are handed out, also to the packets that were received before it replaced
  // another. They keep this filter after the next replacement, until this is called again.
  void enforceFilter();

  // Stops passing verdicts to the kernel; `refuseAll` makes the rings refuse every packet instead.
  Result<> close(const std::function<Result<>()>& refuseAll);

  // Assigns the packets of a block from the kernel to interfaces and verdicts. `onUnknown(index)` is called without the
  // lock if the device of a packet is absent or down according to the events so far. It has to read the events about
  // the device and call apply() before it returns; if the device was never seen and no longer exists, with an event for
  // a nameless device.
  TakenBlock take(std::byte* block, std::size_t size, BlockNumber number,
                  const std::function<void(std::uint32_t index)>& onUnknown);
  // Applies pending verdicts and the filter set by enforceFilter(). Call it when every event that precedes the block
  // has its verdict.
  void applyVerdicts(std::byte* block, TakenBlock& taken);
  // Enters a block with applied verdicts in the ledger, once.
  void account(TakenBlock& taken, Ledger::Outcome outcome);
  // See Ledger::retract().
  void retract(InterfaceId device, std::uint64_t packets, std::uint64_t bytes, std::uint64_t truncated);
  // Does both when the block leaves the queue: the last step before delivery.
  void handOut(std::byte* block, TakenBlock& taken) {
    applyVerdicts(block, taken);
    account(taken, Ledger::Outcome::Delivered);
  }

  struct Stats : Ledger::Totals {
    bool sampledOutKnown = true;  // false: the kernel sampled without counting what it refused
    std::vector<InterfaceStats> interfaces;
  };
  // `lines`: the device table, just read; without it, the devices' losses are those of the last updateLosses().
  [[nodiscard]] Stats stats(const DeviceLines* lines = nullptr);
  void updateLosses(const ReportedLosses& losses);
  // Whether updateLosses() is needed to keep the losses of some captured device up to date. `lines`: whether stats()
  // gets the device table.
  [[nodiscard]] bool needsLosses(bool lines);

 private:
  using Interface = std::shared_ptr<TrackedInterface>;

  Interface find(std::uint32_t index);
  Interface find(InterfaceId device);
  TrackedInterface& track(const InterfaceDescription& interface, std::uint64_t epoch,
                          const std::optional<DeviceLosses>& losses);
  void retire(const Interface& tracked, const std::optional<DeviceLosses>& losses, const RingPosition& position);
  [[nodiscard]] bool hasNoPackets(const TrackedInterface& removed) const;
  [[nodiscard]] std::optional<bool> selects(const InterfaceInfo& info) const;
  std::optional<bool> applyAdded(const BookedEvent& event, const Moment& now);
  std::optional<bool> applyChanged(const BookedEvent& event, const Moment& now);
  void setInKernel(TrackedInterface& tracked, const Moment& now, bool unfiltered = false);
  void updateRelations(const Moment& now) { relations_.update(byIndex_, spec_.direction, now, kernel_); }
  Result<> replace(FilterSpec spec);
  template <typename Change>
  Result<> replacePart(Change&& change);

  BlockShare* shareOf(const Record& record, TakenBlock& taken, std::unique_lock<std::mutex>& lock,
                      const std::function<void(std::uint32_t index)>& onUnknown);
  [[nodiscard]] bool acceptsLate(TrackedInterface& tracked, Record& record);

  mutable std::mutex mutex_;
  FilterSpec spec_;
  const bool hotplug_;
  const std::shared_ptr<const InterfaceSelection> selection_;
  KernelVerdicts kernel_;
  std::function<RingPosition()> reached_;
  DedupeRelations relations_;
  Moment replacedAt_;  // when the kernel had the present filter
  Refilter refilter_;
  bool sampled_;               // there is a sampling, or was one
  std::uint64_t epoch_ = 0;    // of the last event applied
  InterfacesByIndex byIndex_;  // the latest device of each index, kept after its removal for its last packets
  // Removed devices, oldest first, both bounded: those in the statistics, and those before them that may still have
  // packets in the rings.
  std::deque<Interface> gone_;
  std::deque<Interface> leaving_;
  RingPosition taken_;  // of each ring, the latest block
  Ledger ledger_;
};

}  // namespace ringtap
