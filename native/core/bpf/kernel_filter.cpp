#include "core/bpf/kernel_filter.h"

#include <linux/if_arp.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "core/bpf/address_filter.h"
#include "core/bpf/attach.h"
#include "core/bpf/connection_filter.h"
#include "core/bpf/cutoff_maps.h"
#include "core/bpf/dedupe_maps.h"
#include "core/bpf/ebpf.h"
#include "core/bpf/ebpf_program.h"
#include "core/bpf/replaceable_filter.h"
#include "core/bpf/slot_array.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

class ClassicFilter final : public KernelFilter {
 public:
  ClassicFilter(FilterSpec spec, bool acceptUnlisted, std::vector<int> sockets)
      : spec_(std::move(spec)), acceptUnlisted_(acceptUnlisted), sockets_(std::move(sockets)) {}

  void accept(std::uint32_t index, std::uint16_t) override { list(index, !acceptUnlisted_); }
  void refuse(std::uint32_t index, std::uint16_t) override { list(index, acceptUnlisted_); }
  void forget(std::uint32_t index) override { list(index, false); }

  Result<> commit() override {
    if (!dirty_) return {};
    if (auto attached = attachAll(spec_); !attached) return attached;
    dirty_ = false;
    return {};
  }

  void relate(std::uint32_t, const DedupeRelation&) override {}
  std::uint64_t duplicates(std::uint32_t) const override { return 0; }

  Result<> replace(const FilterSpec& spec) override {
    auto attached = supersede(spec);
    if (!attached) (void)attachAll(spec_);  // restores the rings that already have the new filter
    return attached;
  }

  // As replace(), for sockets that have the filter of another KernelFilter. After an error some may have the new one.
  Result<> supersede(const FilterSpec& spec) {
    if (auto attached = attachAll(spec); !attached) return attached;
    spec_ = spec;
    dirty_ = false;
    return {};
  }

  std::optional<std::uint64_t> accepted(std::uint32_t) const override { return std::nullopt; }
  bool unlistedPassUnfiltered() const override { return false; }
  FilterMode filterMode() const override { return FilterMode::Classic; }

 private:
  Result<> attachAll(const FilterSpec& spec) {
    auto program = assembleCbpf(spec, {acceptUnlisted_, {listed_.begin(), listed_.end()}});
    if (!program) return program.error();
    for (const int socket : sockets_) {
      if (auto attached = attachFilter(socket, *program); !attached) return attached;
    }
    return {};
  }

  void list(std::uint32_t index, bool present) {
    const bool changed = present ? listed_.insert(index).second : listed_.erase(index) > 0;
    dirty_ = dirty_ || changed;
  }

  FilterSpec spec_;
  bool acceptUnlisted_;
  std::vector<int> sockets_;
  std::set<std::uint32_t> listed_;
  bool dirty_ = true;
};

constexpr std::uint32_t kSlots = 16384;
constexpr std::uint32_t kUnlisted = 16384;

class EbpfFilter final : public KernelFilter {
 public:
  static Result<std::unique_ptr<EbpfFilter>> create(const FilterSpec& spec, bool acceptUnlisted,
                                                    const KernelFilterOptions& options, std::vector<int> sockets) {
    auto slotOf = createHashMap(sizeof(std::uint32_t), kSlots);
    if (!slotOf) return slotOf.error();
    auto unlistedMap = createHashMap(sizeof(std::uint64_t), kUnlisted);
    if (!unlistedMap) return unlistedMap.error();
    auto slots = Slots::create(kSlots);
    if (!slots) return slots.error();
    std::unique_ptr<EbpfFilter> self(new EbpfFilter(acceptUnlisted, std::move(sockets), std::move(*slots)));
    self->slotOf_ = std::move(*slotOf);
    self->unlistedMap_ = std::move(*unlistedMap);
    if (options.dedupe) {
      auto maps = DedupeMaps::create(kSlots);
      if (!maps) return maps.error();
      self->dedupe_.emplace(std::move(*maps));
    }
    if (options.cutoff) {
      auto maps = CutoffMaps::create(*options.cutoff, kSlots);
      if (!maps) return maps.error();
      self->cutoffMaps_.emplace(std::move(*maps));
      self->cutoff_ = CutoffSettings{self->cutoffMaps_->fds(), *options.cutoff, !options.dedupe};
    }
    auto code = self->assemble(spec);
    if (!code) return code.error();
    auto filter = ReplaceableFilter::create(*code);
    if (!filter) return std::move(filter.error());
    self->filter_.emplace(std::move(*filter));
    if (auto attached = self->attach(); !attached) return attached.error();
    return self;
  }

  void accept(std::uint32_t index, std::uint16_t hardwareType) override { set(index, hardwareType, 0); }
  void refuse(std::uint32_t index, std::uint16_t hardwareType) override { set(index, hardwareType, kSlotRefused); }

  void forget(std::uint32_t index) override {
    (void)mapDelete(unlistedMap_.get(), index);
    const auto found = slotByIndex_.find(index);
    if (found == slotByIndex_.end()) return;
    (void)mapDelete(slotOf_.get(), index);
    free_.push_back(found->second);
    slotByIndex_.erase(found);
  }

  // A packet that comes before the first verdicts would pass as that of an unlisted interface.
  Result<> commit() override { return filter_->begin(); }

  void relate(std::uint32_t index, const DedupeRelation& relation) override {
    if (const auto found = slotByIndex_.find(index); dedupe_ && found != slotByIndex_.end()) {
      dedupe_->relate(found->second, relation);
    }
  }

  std::uint64_t duplicates(std::uint32_t index) const override {
    const auto found = slotByIndex_.find(index);
    return dedupe_ && found != slotByIndex_.end() ? dedupe_->duplicates(found->second) : 0;
  }

  std::uint64_t beyondCutoff(std::uint32_t index) const override {
    const auto found = slotByIndex_.find(index);
    return cutoffMaps_ && found != slotByIndex_.end() ? cutoffMaps_->beyond(found->second) : 0;
  }

  Result<> mark(const Connection& connection, CutoffMark mark) override {
    return cutoffMaps_ ? cutoffMaps_->mark(connection, mark) : KernelFilter::mark(connection, mark);
  }

  Result<> replace(const FilterSpec& spec) override {
    auto code = assemble(spec);
    if (!code) return code.error();
    auto replaced = filter_->replace(*code);
    if (replaced || replaced.error().number != EINVAL) return replaced;
    // The kernel may compile programs now and not have done so before, or the reverse (net.core.bpf_jit_enable).
    auto fresh = ReplaceableFilter::create(*code);
    if (!fresh) return replaced;
    if (auto begun = fresh->begin(); !begun) return begun;
    std::swap(*filter_, *fresh);
    if (auto attached = attach(); !attached) {
      std::swap(*filter_, *fresh);
      (void)attach();
      return attached;
    }
    return {};
  }

  // Attaches the present filter to all rings, again if need be.
  Result<> attach() {
    for (const int socket : sockets_) {
      if (auto attached = filter_->attach(socket); !attached) return attached;
    }
    return {};
  }

  std::optional<std::uint64_t> accepted(std::uint32_t index) const override {
    std::uint64_t count = 0;
    (void)mapLookup(unlistedMap_.get(), index, &count);
    if (const auto found = slotByIndex_.find(index); found != slotByIndex_.end()) {
      count += slots_.count(found->second, &Slot::accepted);
    }
    return count;
  }
  std::uint64_t sampledOut(std::uint32_t index) const override {
    const auto found = slotByIndex_.find(index);
    if (found == slotByIndex_.end()) return 0;
    return slots_.count(found->second, &Slot::sampledOut);
  }
  bool unlistedPassUnfiltered() const override { return true; }
  bool passesUnfiltered(std::uint32_t index) const override { return !slotByIndex_.contains(index); }
  FilterMode filterMode() const override { return FilterMode::Ebpf; }

 private:
  using Slots = SlotArray<Slot, &Slot::accepted, &Slot::sampledOut>;

  EbpfFilter(bool acceptUnlisted, std::vector<int> sockets, Slots slots)
      : acceptUnlisted_(acceptUnlisted), sockets_(std::move(sockets)), slots_(std::move(slots)) {}

  [[nodiscard]] Result<std::vector<bpf_insn>> assemble(const FilterSpec& spec) const {
    EbpfMaps maps{slotOf_.get(), slots_.fd(), unlistedMap_.get()};
    if (dedupe_) maps.dedupe = dedupe_->fds();
    maps.cutoff = cutoff_;
    if (spec.addresses) {
      const auto addresses = spec.addresses->maps();
      if (!addresses) return addresses.error();
      maps.addresses = addresses.value();
    }
    if (spec.connections) {
      const auto connections = spec.connections->maps();
      if (!connections) return connections.error();
      maps.connections = connections.value();
    }
    return assembleEbpf(spec, acceptUnlisted_, maps);
  }

  static std::uint32_t flagsFor(std::uint16_t hardwareType) {
    const std::uint32_t flags = hardwareType == ARPHRD_LOOPBACK ? kSlotLoopback : 0;
    return flags | std::uint32_t{linkTypeOrdinal(linkTypeOf(hardwareType))} << kSlotLinkTypeShift;
  }

  void set(std::uint32_t index, std::uint16_t hardwareType, std::uint32_t refused) {
    const std::uint32_t flags = flagsFor(hardwareType) | refused;
    if (const auto found = slotByIndex_.find(index); found != slotByIndex_.end()) {
      __atomic_store_n(&slots_[found->second].flags, flags, __ATOMIC_RELEASE);
      return;
    }
    std::uint32_t slot;
    if (!free_.empty()) {
      slot = free_.front();  // the one free for longest: a late packet may still be counted on it
      free_.erase(free_.begin());
    } else if (used_ < kSlots) {
      slot = used_++;
    } else {
      return;  // no slot is free: the interface stays unlisted, and user space judges its packets
    }
    slots_.reset(slot);
    __atomic_store_n(&slots_[slot].flags, flags, __ATOMIC_RELEASE);
    if (dedupe_) dedupe_->reset(slot);
    if (cutoffMaps_) cutoffMaps_->reset(slot);
    if (mapUpdate(slotOf_.get(), index, &slot)) slotByIndex_.emplace(index, slot);
    else free_.push_back(slot);
  }

  bool acceptUnlisted_;
  std::vector<int> sockets_;
  std::optional<ReplaceableFilter> filter_;
  UniqueFd slotOf_;
  UniqueFd unlistedMap_;
  std::optional<DedupeMaps> dedupe_;
  std::optional<CutoffMaps> cutoffMaps_;
  std::optional<CutoffSettings> cutoff_;  // with the descriptors of these maps
  Slots slots_;
  std::uint32_t used_ = 0;
  std::vector<std::uint32_t> free_;
  std::map<std::uint32_t, std::uint32_t> slotByIndex_;
};

// eBPF until the process is refused the use of it, then classic.
class YieldingFilter final : public KernelFilter {
 public:
  YieldingFilter(std::unique_ptr<EbpfFilter> ebpf, std::unique_ptr<ClassicFilter> classic)
      : ebpf_(std::move(ebpf)), classic_(std::move(classic)) {}

  void accept(std::uint32_t index, std::uint16_t hardwareType) override {
    if (ebpf_) ebpf_->accept(index, hardwareType);
    classic_->accept(index, hardwareType);
  }
  void refuse(std::uint32_t index, std::uint16_t hardwareType) override {
    if (ebpf_) ebpf_->refuse(index, hardwareType);
    classic_->refuse(index, hardwareType);
  }
  void forget(std::uint32_t index) override {
    if (ebpf_) ebpf_->forget(index);
    classic_->forget(index);
  }
  Result<> commit() override { return inForce().commit(); }
  void relate(std::uint32_t, const DedupeRelation&) override {}
  std::uint64_t duplicates(std::uint32_t) const override { return 0; }

  Result<> replace(const FilterSpec& spec) override {
    if (!ebpf_) return classic_->replace(spec);
    auto replaced = ebpf_->replace(spec);
    if (replaced || replaced.error().code != Code::Permission) return replaced;
    auto yielded = classic_->supersede(spec);
    if (!yielded) {
      (void)ebpf_->attach();
      yielded.error().message += "; eBPF is refused: " + replaced.error().message;
      return yielded;
    }
    ebpf_.reset();
    return {};
  }

  std::optional<std::uint64_t> accepted(std::uint32_t index) const override { return inForce().accepted(index); }
  std::uint64_t sampledOut(std::uint32_t index) const override { return inForce().sampledOut(index); }
  bool unlistedPassUnfiltered() const override { return true; }  // the ring may hold packets from before the change
  bool passesUnfiltered(std::uint32_t index) const override { return ebpf_ && ebpf_->passesUnfiltered(index); }
  FilterMode filterMode() const override { return inForce().filterMode(); }

 private:
  [[nodiscard]] KernelFilter& inForce() const {
    return ebpf_ ? static_cast<KernelFilter&>(*ebpf_) : static_cast<KernelFilter&>(*classic_);
  }

  std::unique_ptr<EbpfFilter> ebpf_;        // null once it has yielded
  std::unique_ptr<ClassicFilter> classic_;  // not attached before that
};

}  // namespace

namespace {

Error needsEbpf(const std::string& reason) {
  return Error{Code::Permission, "cutoff is applied by an eBPF program in the kernel, and that is refused: " + reason,
               EPERM, "bpf"};
}

}  // namespace

bool triesEbpf(FilterMode mode) { return mode == FilterMode::Ebpf || (mode == FilterMode::Auto && mayUseBpf()); }

Result<std::unique_ptr<KernelFilter>> KernelFilter::attach(const FilterSpec& spec, bool acceptUnlisted, FilterMode mode,
                                                           const KernelFilterOptions& options,
                                                           std::vector<int> sockets) {
  std::string refusal;
  if (triesEbpf(mode)) {
    auto ebpf = EbpfFilter::create(spec, acceptUnlisted, options, sockets);
    if (ebpf && (mode == FilterMode::Ebpf || options.dedupe || options.cutoff))
      return std::unique_ptr<KernelFilter>(std::move(*ebpf));
    if (ebpf) {
      // The classic filter does not need the present specification: replace() sets the next one.
      auto classic = std::make_unique<ClassicFilter>(FilterSpec{}, acceptUnlisted, std::move(sockets));
      return std::unique_ptr<KernelFilter>(std::make_unique<YieldingFilter>(std::move(*ebpf), std::move(classic)));
    }
    if (mode == FilterMode::Ebpf) return ebpf.error();
    if (options.cutoff) {
      return ebpf.error().code == Code::FilterTooLarge ? std::move(ebpf.error()) : needsEbpf(ebpf.error().message);
    }
    refusal = ebpf.error().message;
  }
  if (options.cutoff) return needsEbpf("CAP_BPF is missing");
  auto classic = std::make_unique<ClassicFilter>(spec, acceptUnlisted, std::move(sockets));
  if (auto attached = classic->commit(); !attached) {
    Error error = std::move(attached.error());
    if ((spec.addresses || spec.connections) && !refusal.empty())
      error.message += "; eBPF was tried, and refused: " + refusal;
    return error;
  }
  return std::unique_ptr<KernelFilter>(std::move(classic));
}

}  // namespace ringtap
