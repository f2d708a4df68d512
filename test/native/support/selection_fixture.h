// A selection table to test, on blocks that no kernel has filled.
#pragma once

#include <net/if.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/ledger/selection_table.h"
#include "core/links/interface_book.h"
#include "core/util/clock.h"
#include "support/blocks.h"
#include "support/check.h"
#include "support/no_kernel.h"

namespace support {

using Indexes = std::vector<std::uint32_t>;

// Stands for the kernel's filter: records the verdicts, and returns the counts that the test has set.
class RecordingKernel final : public NoKernel {
 public:
  using NoKernel::NoKernel;
  void accept(std::uint32_t index, std::uint16_t) override { list(index, true); }
  void refuse(std::uint32_t index, std::uint16_t) override { list(index, false); }
  void forget(std::uint32_t index) override {
    verdicts.erase(index);
    counts.erase(index);
  }
  void relate(std::uint32_t index, const ringtap::DedupeRelation& relation) override { relations[index] = relation; }
  std::optional<std::uint64_t> accepted(std::uint32_t index) const override {
    if (!counting) return std::nullopt;
    const auto found = counts.find(index);
    return found == counts.end() ? 0 : found->second;
  }
  ringtap::FilterMode filterMode() const override {
    return counting ? ringtap::FilterMode::Ebpf : ringtap::FilterMode::Classic;
  }

  bool passesUnfiltered(std::uint32_t index) const override {
    return unlistedPassUnfiltered() && !verdicts.contains(index);
  }

  void list(std::uint32_t index, bool accepted) {
    if (verdicts.size() < room || verdicts.contains(index)) verdicts[index] = accepted;
    if (onVerdict) onVerdict();
  }

  std::map<std::uint32_t, bool> verdicts;
  std::size_t room = 1000;          // verdicts that it can hold
  std::function<void()> onVerdict;  // called when a verdict comes into force
  std::map<std::uint32_t, ringtap::DedupeRelation> relations;
  bool counting = false;
  std::map<std::uint32_t, std::uint64_t> counts;
};

inline ringtap::InterfaceInfo device(std::uint32_t index, std::uint32_t generation, const std::string& name = "eth") {
  ringtap::InterfaceInfo info;
  info.index = index;
  info.generation = generation;
  info.name = name;
  info.hardwareType = 1;
  info.flags = IFF_UP;
  return info;
}

inline ringtap::InterfaceEvent event(ringtap::InterfaceChange change, const ringtap::InterfaceInfo& current) {
  return {change, current, {}};
}

// A selection table with its book of interfaces. An interface whose packet comes before its event is added by take(),
// with the next generation, unless the book has it as removed.
struct SelectionFixture {
  explicit SelectionFixture(bool hotplug = true, ringtap::FilterSpec spec = {}, bool unfiltered = false,
                            bool dedupe = false)
      : table(std::move(spec), hotplug, dedupe) {
    auto fake = std::make_unique<RecordingKernel>(unfiltered);
    kernel = fake.get();
    table.use(std::move(fake), [this] { return ringPosition; });
  }

  ringtap::TakenBlock take(Block& block, std::uint64_t number = 1) {
    return table.take(block.data(), block.size(), {0, number}, [this](std::uint32_t index) {
      unknown.push_back(index);
      if (book.presence(index) == ringtap::InterfaceBook::Presence::Gone) return;
      apply({event(ringtap::InterfaceChange::Added, device(index, nextGeneration++))}, 0, ringPosition);
    });
  }
  void add(const ringtap::InterfaceInfo& info, const std::optional<ringtap::DeviceLosses>& losses = {}) {
    (void)table.add(book.add(info), losses);
  }
  void apply(const std::vector<ringtap::InterfaceEvent>& events, std::uint64_t time,
             const ringtap::RingPosition& position) {
    const ringtap::Moment now{time, position};
    (void)table.apply(book.enter(events, now), now);
  }
  bool decide(std::uint32_t index, std::uint32_t generation, std::uint64_t epoch, bool selected) {
    return table.decide({index, generation}, epoch, selected, {ringtap::realNow(), ringPosition});
  }
  ringtap::Result<> commit() { return table.commit({ringtap::realNow(), ringPosition}); }
  // Hands out a block and reads it, as JavaScript does.
  Indexes handOut(Block& block, ringtap::TakenBlock& taken) {
    table.handOut(block.data(), taken);
    Indexes indexes;
    ringtap::walkIndex(block.data(), taken.summary.packets, [&](const ringtap::Record& record) {
      indexes.push_back(static_cast<std::uint32_t>(record.from().sll_ifindex));
    });
    return indexes;
  }
  void checkBalance(std::uint64_t received) {
    const auto stats = table.stats();
    CHECK(stats.delivered + stats.unselected + stats.lateRefused + stats.malformed + stats.queued == received);
    std::uint64_t delivered = 0, unselected = 0, queued = 0;
    for (const ringtap::InterfaceStats& one : stats.interfaces) {
      CHECK(one.taken == one.delivered + one.unselected + one.queued);
      delivered += one.delivered;
      unselected += one.unselected;
      queued += one.queued;
    }
    CHECK(delivered == stats.delivered && unselected == stats.unselected && queued == stats.queued);
  }

  ringtap::InterfaceBook book;
  ringtap::SelectionTable table;
  RecordingKernel* kernel = nullptr;
  Indexes unknown;  // the indexes for which take() called back
  std::uint32_t nextGeneration = 100;
  ringtap::RingPosition ringPosition{1000};  // where the rings are when take() and decide() are called
};

// A block of one packet for each of these interface indexes.
inline Block packetsOf(const Indexes& indexes) {
  std::vector<MadeRecord> records;
  for (const std::uint32_t index : indexes) {
    MadeRecord record;
    record.index = index;
    records.push_back(record);
  }
  return Block::of(records);
}

}  // namespace support
