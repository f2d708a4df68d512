// Which packets of a capture are delivered, and the count of all: the verdicts on its interfaces, applied to blocks.
//
// The parts: what is known of each interface (tracked_interface.h: verdicts, counts), the verdicts in the kernel
// (kernel_verdicts.h), how interfaces relate where duplicates are dropped (dedupe_relations.h), and the filtering of
// packets that an earlier filter accepted (refilter.h). The table keeps them in step under one lock.
//
// A packet is judged by the verdict on its interface as it was when the packet was received (interface_book.h), however
// late that verdict comes. Where names and expressions decide, the verdict is there as soon as the event is; else it is
// pending until JavaScript answers the event.
//
// Thread-safe. The capture loops report events and blocks; JavaScript decides and reads the statistics.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/ledger/dedupe_relations.h"
#include "core/ledger/kernel_verdicts.h"
#include "core/ledger/refilter.h"
#include "core/ledger/taken_block.h"
#include "core/ledger/tracked_interface.h"
#include "core/links/interface_selection.h"
#include "core/util/result.h"

namespace ringtap {

// The counters of devices as the kernel has them now, by index.
using LossesByIndex = std::map<std::uint32_t, DeviceLosses>;

class SelectionTable {
 public:
  // `hotplug`: interfaces that come later, and renamed ones, get a verdict of their own; otherwise they are unselected,
  // and keep the one they had. `dedupe`: see core/bpf/dedupe.h. `selection`: gives the verdicts; without it, decide()
  // does.
  SelectionTable(FilterSpec spec, bool hotplug, bool dedupe = false,
                 std::shared_ptr<const InterfaceSelection> selection = nullptr)
      : spec_(std::move(spec)),
        hotplug_(hotplug),
        selection_(std::move(selection)),
        kernel_(hotplug),
        relations_(dedupe) {}

  // From here on verdicts reach the kernel.
  void use(std::unique_ptr<KernelFilter> kernel);
  [[nodiscard]] FilterMode filterMode() const { return kernel_.filterMode(); }

  // An interface that was present before the capture started. Returns its verdict.
  Verdict add(const InterfaceDescription& interface, const std::optional<DeviceLosses>& losses = {});

  // The events of one read of the monitor, which was at `now`.
  struct Applied {
    std::optional<bool> selected;  // the verdict; nothing where decide() is to give it, or the event asks for none
  };
  std::vector<Applied> apply(const std::vector<BookedEvent>& events, const Moment& now);

  // The answer to the event of that epoch (0: to the list at the start), given at `now`. False where the device is
  // gone.
  bool decide(InterfaceId device, std::uint64_t epoch, bool selected, const Moment& now);
  [[nodiscard]] bool isPresent(InterfaceId device);
  // Brings the kernel's filter up to date with the decisions since the last call.
  Result<> commit(const Moment& now);

  // Replaces the filter, in the kernel and here; the address sets stay. After an error the old one stays in force.
  Result<> replaceFilter(const FilterSpec& spec);
  // The same for the address sets; the filter stays.
  Result<> replaceAddresses(std::shared_ptr<const AddressFilter> addresses);
  // Applies the present filter also to blocks up to `position`, taken under another, as they are handed out. Replacing
  // the filter does not change which one that is, until this is called again.
  void enforceFilter(const RingPosition& position);

  // No verdict reaches the kernel from here on; `refuseAll` makes the rings refuse everything instead.
  Result<> close(const std::function<Result<>()>& refuseAll);

  // Judges the packets of a block that the kernel handed over. `onUnknown(index)` is called, without the lock, where
  // the device of a packet is absent or down as far as is known: it reads the events about it and calls apply() before
  // it returns, with a nameless device where there never was one and the kernel does not know it any more.
  TakenBlock take(std::byte* block, std::size_t size, BlockNumber number,
                  const std::function<void(std::uint32_t index)>& onUnknown);
  // Applies the verdicts that were pending, once every event from before the block has its answer, and a filter that is
  // enforced since.
  void applyVerdicts(std::byte* block, TakenBlock& taken);
  // Writes a block with applied verdicts into the ledger, once: as delivered, or as dropped by the recorder it was
  // meant for.
  enum class Outcome { Delivered, DroppedByRecorder };
  void account(TakenBlock& taken, Outcome outcome);
  // Both, as the block leaves the queue: the last step before delivery.
  void handOut(std::byte* block, TakenBlock& taken) {
    applyVerdicts(block, taken);
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
  using Interface = std::shared_ptr<TrackedInterface>;

  Interface find(std::uint32_t index);
  Interface find(InterfaceId device);
  TrackedInterface& track(const InterfaceDescription& interface, std::uint64_t epoch, RingPosition refilterUntil,
                          const std::optional<DeviceLosses>& losses);
  void retire(const Interface& tracked, const std::optional<DeviceLosses>& losses, const RingPosition& position);
  [[nodiscard]] std::optional<bool> selects(const InterfaceInfo& info) const;
  std::optional<bool> applyAdded(const BookedEvent& event, const Moment& now);
  std::optional<bool> applyChanged(const BookedEvent& event, const Moment& now);
  void setInKernel(TrackedInterface& tracked, const Moment& now);
  void updateRelations(const Moment& now) { relations_.update(byIndex_, spec_.direction, now, kernel_); }
  Result<> replace(FilterSpec spec);

  BlockShare* shareOf(const Record& record, TakenBlock& taken, std::unique_lock<std::mutex>& lock,
                      const std::function<void(std::uint32_t index)>& onUnknown);
  void refuseLate(TrackedInterface& tracked);

  mutable std::mutex mutex_;
  FilterSpec spec_;
  const bool hotplug_;
  const std::shared_ptr<const InterfaceSelection> selection_;
  KernelVerdicts kernel_;
  DedupeRelations relations_;
  Refilter refilter_;
  std::uint64_t epoch_ = 0;      // of the last event applied
  InterfacesByIndex byIndex_;    // the latest device of each index, also after it went: its last packets may come
  std::vector<Interface> gone_;  // oldest first, a bounded number
  Stats totals_;                 // interfaces left empty
};

}  // namespace ringtap
