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

#include "core/bpf/kernel_filter.h"
#include "core/ledger/taken_block.h"
#include "core/ledger/tracked_interface.h"
#include "core/links/interface_info.h"
#include "core/util/result.h"

namespace ringtap {

// The counters of devices as the kernel has them now, by index.
using LossesByIndex = std::map<std::uint32_t, DeviceLosses>;

class SelectionTable {
 public:
  // `hotplug`: interfaces that come later, and renamed ones, wait for a decision; otherwise they are unselected, and
  // stay what they were. `dedupe`: see core/bpf/dedupe.h.
  SelectionTable(FilterSpec spec, bool hotplug, bool dedupe = false)
      : spec_(std::move(spec)), hotplug_(hotplug), dedupe_(dedupe) {}

  // From here on verdicts reach the kernel.
  void use(std::unique_ptr<KernelFilter> kernel);
  [[nodiscard]] FilterMode form() const { return kernel_->form(); }

  // An interface that was there before the capture started. Pending until decide().
  void add(const InterfaceInfo& info, const std::optional<DeviceLosses>& losses = {});

  // The events of one read of the monitor, which was at `time`: each raises the epoch by one. Blocks up to `horizon`
  // may hold packets from before now.
  void apply(const std::vector<InterfaceEvent>& events, std::uint64_t time, const RingPosition& ringPosition);
  [[nodiscard]] std::uint64_t epoch() const;
  // What is known of the device with this index.
  enum class Presence { None, Present, Gone };
  [[nodiscard]] Presence presence(std::uint32_t index) const;

  // The answer to the event of that epoch (0: to the list at the start). False where the device is gone.
  bool decide(std::uint32_t index, std::uint32_t generation, std::uint64_t epoch, bool selected);
  // Brings the kernel's filter up to date with the decisions since the last call.
  Result<> commit();

  // Puts another filter in force, in the kernel and for what is judged here; the address sets stay. After an error the
  // old one stands.
  Result<> replaceFilter(const FilterSpec& spec);
  // The same for the address sets; the filter stays.
  Result<> replaceAddresses(std::shared_ptr<const AddressFilter> hosts);
  // Applies the filter that is in force now also to blocks up to `horizon`, taken under another, as they are handed
  // out. A filter that replaces it changes nothing about that, until this is called again.
  void enforceFilter(const RingPosition& ringPosition);

  // No verdict reaches the kernel from here on; `refuseAll` makes the rings refuse everything instead.
  Result<> close(const std::function<Result<>()>& refuseAll);

  // Judges the packets of a block that the kernel handed over, number `number` of ring `ring`. `stranger(index)` is
  // called, without the lock, for an index that has no device as far as is known: it learns about the device and calls
  // apply() before it returns, with a nameless one where there never was any and the kernel does not know it any more.
  TakenBlock take(std::byte* block, std::size_t size, std::uint32_t ring, std::uint64_t number,
                  const std::function<void(std::uint32_t index)>& onUnknown);
  // Settles what was pending, once every event of before the block has its answer; again where the filter has changed
  // since.
  void settle(std::byte* block, TakenBlock& taken);
  // Writes a settled block into the ledger, once: as delivered, or as dropped by the recorder it was meant for.
  enum class Outcome { Delivered, DroppedByRecorder };
  void account(TakenBlock& taken, Outcome outcome);
  // Both, as the block leaves the queue: the last step before delivery.
  void handOut(std::byte* block, TakenBlock& taken) {
    settle(block, taken);
    account(taken, Outcome::Delivered);
  }

  struct Stats {
    std::uint64_t delivered = 0, bytes = 0, droppedByRecorder = 0, unselected = 0, truncated = 0, queued = 0;
    std::uint64_t lateRefused = 0, malformed = 0;
    std::uint64_t duplicates = 0;
    std::vector<InterfaceStats> interfaces;
  };
  // `now`: the devices' counters, read a moment ago.
  [[nodiscard]] Stats stats(const LossesByIndex& now = {});

 private:
  std::shared_ptr<TrackedInterface> find(std::uint32_t index);
  void track(const InterfaceInfo& info, Verdict verdict, RingPosition refilterUntil,
             const std::optional<DeviceLosses>& losses);
  BlockShare share(std::shared_ptr<TrackedInterface> tracked, std::uint64_t timestamp) const;
  [[nodiscard]] KernelCounts countsOf(std::uint32_t index) const;
  void retire(TrackedInterface& tracked, const std::optional<DeviceLosses>& losses, const RingPosition& ringPosition);
  Result<> replace(FilterSpec spec);
  void tellKernel(const TrackedInterface& tracked);
  void relateAll(std::uint64_t since);
  void filterAgain(std::byte* block, TakenBlock& taken);

  mutable std::mutex mutex_;
  FilterSpec spec_;
  bool hotplug_;
  bool dedupe_;
  bool relationsOld_ = true;  // something has changed that they follow from
  std::unique_ptr<KernelFilter> kernel_;
  bool closed_ = false;
  RingPosition enforceUntil_;
  FilterSpec enforced_;  // not always that in force: what came under it is held to the next one only when asked
  std::uint64_t epoch_ = 0;
  // The latest device of each index, also after it went: its last packets may still be in the ring.
  std::unordered_map<std::uint32_t, std::shared_ptr<TrackedInterface>> byIndex_;
  std::vector<std::shared_ptr<TrackedInterface>> gone_;  // oldest first, a bounded number
  Stats totals_;                                         // interfaces left empty
};

}  // namespace ringtap
