// Every interface a capture has met, the verdicts on it over time, and its part of the ledger.
//
// Epochs order it all: the epoch counts the interface events so far. A block carries the epoch at which it was taken,
// a verdict the epoch of the event it answers, and the time at which that event was read: a packet is judged by what
// was decided about the interface as it was when the packet was taken, however late JavaScript comes to decide. The
// kernel puts no time on its news: between a rename and its reading, packets count as those of the old name.
//
// Thread-safe. The capture loop reports events and blocks; JavaScript decides and asks for figures.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/block.h"
#include "core/dedupe.h"
#include "core/interface_info.h"
#include "core/kernel_filter.h"
#include "core/result.h"

namespace ringtap {

// What happened to the packets of one interface; delivered and unselected are settled when a block is handed out.
struct InterfaceFigures {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  std::string name;
  bool present = true;
  bool selected = false;
  std::optional<std::uint64_t> received;  // accepted by the filter; not known in the classic form
  std::uint64_t taken = 0;                // found in blocks, before any decision
  std::uint64_t delivered = 0;
  std::uint64_t bytes = 0;              // captured bytes of the delivered ones
  std::uint64_t droppedByRecorder = 0;  // meant for a recorder alone, and not written
  std::uint64_t unselected = 0;
  std::uint64_t truncated = 0;
  std::uint64_t queued = 0;      // taken, not yet handed out
  std::uint64_t duplicates = 0;  // refused as such, here or by the kernel; no part of received and taken
  // What the device lost on its own since it was first selected; nothing where that never was, or is not known.
  std::optional<DeviceLosses> losses;
};

// The counters of devices as the kernel has them now, by index.
using LossesByIndex = std::map<std::uint32_t, DeviceLosses>;

// A point in the stream of blocks: for each ring, the number of its last block before it.
using Horizon = std::vector<std::uint64_t>;

enum class Verdict : std::uint8_t { Pending, Selected, Unselected };

// An interface's index and generation.
using Device = std::pair<std::uint32_t, std::uint32_t>;

// One device of one generation.
struct TrackedInterface {
  InterfaceInfo info;
  bool present = true;
  struct Decision {
    std::uint64_t epoch;
    Verdict verdict;
    std::uint64_t since;  // it is about packets of later than this; nanoseconds since 1970, as records have them
    std::optional<DeviceLosses> losses = {};  // the device's counters at that time
  };
  std::vector<Decision> decisions;  // ascending epochs, never empty
  Horizon refilterUntil;            // blocks up to here may hold packets that the user's filter has not seen
  std::uint64_t lateRefused = 0;    // of the packets the kernel counted as accepted: refused by the filter here, or
                                    // as duplicates
  std::optional<std::uint64_t> receivedBefore;  // the kernel's count when the device went
  // A packet is judged, and counted here, under the device that has its index when it is taken. The kernel has counted
  // it under the one that had the index when it came: where a device goes and comes back with its index (it was in
  // another namespace for a moment), that may be the one before. `before` are those with such packets left in the ring,
  // the latest first; as these are taken, `inherited` takes over the kernel's count of them.
  std::shared_ptr<TrackedInterface> before;
  std::uint64_t inherited = 0;
  Horizon lastBlocks;  // once it has gone: blocks up to here may hold packets of it
  bool everSelected = false;
  std::optional<DeviceLosses> lossesBefore;  // the device's counters when it was first selected
  std::optional<DeviceLosses> lossesAtEnd;   // when it went
  DedupeRelation relation;                   // to the devices that are present
  std::uint64_t relatedSince = 0;            // it is about packets of later than this
  InterfaceFigures figures;

  [[nodiscard]] Verdict now() const { return decisions.back().verdict; }
  [[nodiscard]] Verdict at(std::uint64_t epoch) const;
  // After it went: packets that the kernel counted and nobody has taken, be it that they were dropped.
  [[nodiscard]] std::uint64_t outstanding() const {
    const std::uint64_t accounted = figures.taken + lateRefused;
    const std::uint64_t received = receivedBefore.value_or(0);
    return received > accounted ? received - accounted : 0;
  }
};

// The packets of one interface in one block; where it was renamed in the meantime, those of one name.
struct BlockShare {
  std::shared_ptr<TrackedInterface> interface;
  Device device;              // that one, for those who do not hold the table's lock
  std::uint64_t epoch = 0;    // of the decision that they are judged by,
  std::uint64_t since = 0;    // which is about packets of later than this
  std::uint64_t until = 0;    // and not later than that
  std::uint32_t records = 0;  // in the block as it came
  std::uint32_t packets = 0;  // of these, those not refused yet
  std::uint32_t truncated = 0;
  std::uint64_t bytes = 0;
  Verdict verdict = Verdict::Pending;  // pending: to be settled when the block is handed out
  bool refilter = false;               // the user's filter has to be applied here
};

// A block as it waits to be handed out.
struct TakenBlock {
  BlockSummary summary;
  std::uint32_t ring = 0;     // which ring it is of,
  std::uint64_t number = 0;   // and the how manieth of that, from 1
  std::uint64_t records = 0;  // packets the kernel had put in
  std::uint64_t epoch = 0;
  bool pending = false;       // some share is
  bool forJavaScript = true;  // whoever else reads it
  bool accounted = false;     // the ledger has its packets: nothing is changed in it any more
  std::vector<BlockShare> shares;
};

class SelectionTable {
 public:
  // `hotplug`: interfaces that come later, and renamed ones, wait for a decision; otherwise they are unselected, and
  // stay what they were. `dedupe`: see core/dedupe.h.
  SelectionTable(FilterSpec spec, bool hotplug, bool dedupe = false)
      : spec_(std::move(spec)), hotplug_(hotplug), dedupe_(dedupe) {}

  // From here on verdicts reach the kernel.
  void use(std::unique_ptr<KernelFilter> kernel);
  [[nodiscard]] TableForm form() const { return kernel_->form(); }

  // An interface that was there before the capture started. Pending until decide().
  void add(const InterfaceInfo& info, const std::optional<DeviceLosses>& losses = {});

  // The events of one read of the monitor, which was at `time`: each raises the epoch by one. Blocks up to `horizon`
  // may hold packets from before now.
  void apply(const std::vector<InterfaceEvent>& events, std::uint64_t time, const Horizon& horizon);
  [[nodiscard]] std::uint64_t epoch() const;
  // What is known of the device with this index.
  enum class Acquaintance { None, Present, Gone };
  [[nodiscard]] Acquaintance knows(std::uint32_t index) const;

  // The answer to the event of that epoch (0: to the list at the start). False where the device is gone.
  bool decide(std::uint32_t index, std::uint32_t generation, std::uint64_t epoch, bool selected);
  // Brings the kernel's filter up to date with the decisions since the last call.
  Result<> commit();

  // Puts another filter in force, in the kernel and for what is judged here; the address sets stay. After an error the
  // old one stands.
  Result<> replaceFilter(const FilterSpec& spec);
  // The same for the address sets; the filter stays.
  Result<> replaceHosts(std::shared_ptr<const HostFilter> hosts);
  // Applies the filter that is in force now also to blocks up to `horizon`, taken under another, as they are handed
  // out. A filter that replaces it changes nothing about that, until this is called again.
  void enforceFilter(const Horizon& horizon);

  // No verdict reaches the kernel from here on; `refuseAll` makes the rings refuse everything instead.
  Result<> close(const std::function<Result<>()>& refuseAll);

  // Judges the packets of a block that the kernel handed over, number `number` of ring `ring`. `stranger(index)` is
  // called, without the lock, for an index that has no device as far as is known: it learns about the device and calls
  // apply() before it returns, with a nameless one where there never was any and the kernel does not know it any more.
  TakenBlock take(std::byte* block, std::size_t size, std::uint32_t ring, std::uint64_t number,
                  const std::function<void(std::uint32_t index)>& stranger);
  // Settles what was pending, once every event of before the block has its answer; again where the filter has changed
  // since.
  void settle(std::byte* block, TakenBlock& taken);
  // Writes a settled block into the ledger, once: as delivered, or as dropped by the recorder it was meant for.
  enum class Fate { Delivered, DroppedByRecorder };
  void account(TakenBlock& taken, Fate fate);
  // Both, as the block leaves the queue: the last step before delivery.
  void handOut(std::byte* block, TakenBlock& taken) {
    settle(block, taken);
    account(taken, Fate::Delivered);
  }

  struct Figures {
    std::uint64_t delivered = 0, bytes = 0, droppedByRecorder = 0, unselected = 0, truncated = 0, queued = 0;
    std::uint64_t lateRefused = 0, malformed = 0;
    std::uint64_t duplicates = 0;
    std::vector<InterfaceFigures> interfaces;
  };
  // `now`: the devices' counters, read a moment ago.
  [[nodiscard]] Figures figures(const LossesByIndex& now = {});

 private:
  std::shared_ptr<TrackedInterface> find(std::uint32_t index);
  void track(const InterfaceInfo& info, Verdict verdict, Horizon refilterUntil,
             const std::optional<DeviceLosses>& losses);
  BlockShare share(std::shared_ptr<TrackedInterface> tracked, std::uint64_t timestamp) const;
  void retire(TrackedInterface& tracked, const std::optional<DeviceLosses>& losses, const Horizon& horizon);
  static void inherit(TrackedInterface& tracked, std::uint32_t ring, std::uint64_t number, std::uint64_t records);
  Result<> replace(FilterSpec spec);
  void tellKernel(const TrackedInterface& tracked);
  void relateAll(std::uint64_t since);
  [[nodiscard]] static bool accepts(const FilterSpec& spec, const Record& record);
  void filterAgain(std::byte* block, TakenBlock& taken);

  mutable std::mutex mutex_;
  FilterSpec spec_;
  bool hotplug_;
  bool dedupe_;
  bool relationsOld_ = true;  // something has changed that they follow from
  std::unique_ptr<KernelFilter> kernel_;
  bool closed_ = false;
  Horizon enforceUntil_;
  FilterSpec enforced_;  // not always that in force: what came under it is held to the next one only when asked
  std::uint64_t epoch_ = 0;
  // The latest device of each index, also after it went: its last packets may still be in the ring.
  std::unordered_map<std::uint32_t, std::shared_ptr<TrackedInterface>> byIndex_;
  std::vector<std::shared_ptr<TrackedInterface>> gone_;  // oldest first, a bounded number
  Figures totals_;                                       // interfaces left empty
};

}  // namespace ringtap
