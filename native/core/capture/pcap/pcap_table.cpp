#include "core/capture/pcap/pcap_table.h"

#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/bpf/filter_request.h"

namespace ringtap {

namespace {

// Above every index of a network interface: those are positive ints.
constexpr std::uint32_t kFirstDevice = 0x8000'0000;
// libpcap allocates ring blocks of this size (pcap-linux.c, prepare_tpacket_socket).
constexpr std::size_t kBufferUnit = 256 * 1024;
constexpr std::size_t kMinBuffer = 4 * kBufferUnit;

}  // namespace

// Takes the verdicts of a capture's SelectionTable.
class PcapTable::Filter final : public KernelFilter {
 public:
  explicit Filter(std::shared_ptr<PcapTable> table) : table_(std::move(table)) {}

  void accept(std::uint32_t index, std::uint16_t) override { table_->want(index, true); }
  void acceptForNow(std::uint32_t index, std::uint16_t) override { table_->want(index, false); }
  void refuse(std::uint32_t index, std::uint16_t) override { table_->unwant(index); }
  void refuseOnceUp(std::uint32_t index, std::uint16_t) override { table_->unwant(index); }
  void forget(std::uint32_t index) override { table_->forget(index); }
  Result<> commit() override { return {}; }
  void relate(std::uint32_t, const DedupeRelation&) override {}
  std::uint64_t duplicates(std::uint32_t) const override { return 0; }
  Result<> replace(const FilterSpec& spec) override { return table_->replace(spec); }
  std::optional<std::uint64_t> accepted(std::uint32_t index) const override { return table_->accepted(index); }
  bool unlistedPassUnfiltered() const override { return false; }
  FilterMode filterMode() const override { return FilterMode::None; }

 private:
  std::shared_ptr<PcapTable> table_;
};

PcapTable::PcapTable(const PcapSettings& settings, const FilterSpec& spec, std::size_t memory,
                     std::function<void()> onChange)
    : settings_(settings), onChange_(std::move(onChange)), spec_(spec), memory_(memory, kBufferUnit, kMinBuffer) {}

Result<> PcapTable::openDevice(const std::string& name) {
  const auto index = kFirstDevice + static_cast<std::uint32_t>(devices_.size());
  auto source = PcapSource::open(name, index, settings_, kMinBuffer);
  if (!source) return std::move(source.error());
  std::lock_guard lock(mutex_);
  devices_.push_back(std::move(*source));
  return {};
}

std::vector<InterfaceInfo> PcapTable::devices() const {
  std::lock_guard lock(mutex_);
  std::vector<InterfaceInfo> list;
  for (const Source& source : devices_) {
    InterfaceInfo info;
    info.index = source->index();
    info.generation = 1;
    info.name = source->device();
    info.kind = "pcap";
    info.hardwareType = ARPHRD_VOID;
    info.linkType = source->linkType();
    info.flags = IFF_UP | IFF_RUNNING;
    list.push_back(std::move(info));
  }
  return list;
}

std::vector<std::uint16_t> PcapTable::linkTypes() const {
  std::lock_guard lock(mutex_);
  std::vector<std::uint16_t> list;
  for (const auto& [index, entry] : entries_) {
    if (entry.source) list.push_back(entry.source->linkType());
  }
  return list;
}

std::unique_ptr<KernelFilter> PcapTable::filter(bool moreWillCome) {
  std::lock_guard lock(mutex_);
  moreWillCome_ = moreWillCome;
  return std::make_unique<Filter>(shared_from_this());
}

void PcapTable::want(std::uint32_t index, bool decided) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[index];
  entry.wanted = true;
  entry.decided = decided;
  entry.attempt = !entry.source && !entry.starved;
  onChange_();
}

void PcapTable::unwant(std::uint32_t index) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(index);
  if (found == entries_.end()) return;
  found->second.wanted = false;
  found->second.attempt = false;
  found->second.starved = false;
  end(found->second, true);
}

void PcapTable::forget(std::uint32_t index) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(index);
  if (found == entries_.end()) return;
  end(found->second, false);
  for (Ending& one : ending_) one.known = one.known && one.source->index() != index;
  entries_.erase(found);
}

void PcapTable::end(Entry& entry, bool known) {
  if (!entry.source) return;
  (void)entry.source->refuse();  // fails if the device is gone; then nothing can arrive either
  ending_.push_back({std::exchange(entry.source, nullptr), known});
  onChange_();
}

Result<> PcapTable::replace(const FilterSpec& spec) {
  std::lock_guard lock(mutex_);
  Result<> result;
  for (const auto& [index, entry] : entries_) {
    if (entry.source && result) result = entry.source->filter(spec);
  }
  if (result) {
    spec_ = spec;
    refusalsReported_.clear();
    onChange_();
    return result;
  }
  for (const auto& [index, entry] : entries_) {
    if (entry.source) (void)entry.source->filter(spec_);  // those that already have the new filter
  }
  return result;
}

std::uint64_t PcapTable::accepted(std::uint32_t index) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(index);
  if (found == entries_.end()) return 0;
  std::uint64_t count = found->second.receivedBefore;
  if (found->second.source) count += found->second.source->statistics().received;
  for (const Ending& one : ending_) {
    if (one.known && one.source->index() == index) count += one.source->statistics().received;
  }
  return count;
}

Result<> PcapTable::setPromiscuous(std::uint32_t index, bool on) {
  std::lock_guard memberships(membershipMutex_);
  Source source;
  {
    std::lock_guard lock(mutex_);
    Entry& entry = entries_[index];
    entry.promiscuous = on;
    source = entry.source;
  }
  return source ? source->setPromiscuous(on) : Result<>{};
}

Result<> PcapTable::refuseAll() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  Result<> result;
  for (const auto& [index, entry] : entries_) {
    if (!entry.source) continue;
    if (auto refused = entry.source->refuse(); !refused) result = std::move(refused);
  }
  return result;
}

std::optional<std::uint32_t> PcapTable::nextAttempt() {
  std::lock_guard lock(mutex_);
  if (closed_) return std::nullopt;
  if (!planned_) {
    planned_ = true;
    const auto wanted = std::count_if(entries_.begin(), entries_.end(),
                                      [](const auto& one) { return one.second.wanted && one.first < kFirstDevice; });
    memory_.plan(static_cast<std::uint32_t>(wanted), moreWillCome_);
  }
  for (auto& [index, entry] : entries_) {
    if (!std::exchange(entry.attempt, false)) continue;
    entry.failures.clear();
    entry.warnings.clear();
    return index;
  }
  return std::nullopt;
}

Result<PcapTable::Source> PcapTable::open(std::uint32_t index) {
  if (index < kFirstDevice) return openInterface(index);
  std::lock_guard lock(mutex_);
  return devices_[index - kFirstDevice];
}

Result<PcapTable::Source> PcapTable::openInterface(std::uint32_t index) {
  // The interface may be renamed at any moment, and another one may get its name.
  for (int attempt = 0; attempt < 3; ++attempt) {
    char name[IF_NAMESIZE];
    if (::if_indextoname(index, name) == nullptr) {
      if (errno == ENXIO || errno == ENODEV) break;
      return Error::fromErrno("if_indextoname");
    }
    const auto share = takeMemory(index);
    if (!share) break;
    auto source = PcapSource::open(name, index, settings_, *share);
    if (source && (*source)->interface() == index) return source;
    refund(index);
    if (source || source.error().code == Code::NoInterface) continue;
    if (isAbsent(source.error())) break;
    return source;
  }
  return Source{};
}

std::optional<std::size_t> PcapTable::takeMemory(std::uint32_t index) {
  std::lock_guard lock(mutex_);
  if (memory_.take()) return memory_.share();
  const auto found = entries_.find(index);
  if (found != entries_.end()) found->second.starved = true;
  return std::nullopt;
}

void PcapTable::refund(std::uint32_t index) {
  std::lock_guard lock(mutex_);
  if (index < kFirstDevice) releaseMemory();
}

void PcapTable::releaseMemory() {
  memory_.release();
  for (auto& [index, entry] : entries_) {
    if (std::exchange(entry.starved, false)) entry.attempt = entry.wanted && !entry.source;
  }
  onChange_();
}

// Memory of an interface without a final verdict, or of an ending handle, may be released soon.
bool PcapTable::memoryMayReturn() const {
  return !ending_.empty() || std::any_of(entries_.begin(), entries_.end(),
                                         [](const auto& one) { return one.second.source && !one.second.decided; });
}

Error PcapTable::starvation(std::uint32_t index) const {
  char name[IF_NAMESIZE] = "";
  (void)::if_indextoname(index, name);
  return Error{Code::Option,
               "ring.memory of " + std::to_string(memory_.total()) + " bytes is used up: each interface takes " +
                   std::to_string(memory_.share()) + " of it, and nothing is captured on " + name,
               0, "", name};
}

// For a link type that the initial compilation did not cover.
Result<> PcapTable::compileFor(const PcapSource& source) {
  std::string expression;
  std::uint32_t snapshotLength;
  {
    std::lock_guard lock(mutex_);
    if (!spec_.filtered || programFor(spec_, source.linkType()) != nullptr) return {};
    expression = spec_.expression;
    snapshotLength = spec_.snapshotLength;
  }
  const std::uint16_t linkType = source.linkType();
  auto compiled = compileForLinkTypes(expression, snapshotLength, FilterInput::Memory, {&linkType, 1});
  LinkTypeFilter own{linkType, {{BPF_RET | BPF_K, 0, 0, 0}}, {}};
  if (compiled) own = std::move(compiled->filters.front());
  else if (compiled.error().code == Code::FilterSyntax) own.refusal = compiled.error().message;
  else return std::move(compiled.error());
  std::lock_guard lock(mutex_);
  const bool replaced = spec_.expression != expression;
  if (!replaced && programFor(spec_, linkType) == nullptr) spec_.programs.push_back(std::move(own));
  return {};
}

Result<bool> PcapTable::install(std::uint32_t index, const Source& source) {
  std::lock_guard memberships(membershipMutex_);
  bool promiscuous = false;
  {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(index);
    promiscuous = found != entries_.end() && found->second.promiscuous;
  }
  if (promiscuous) {
    if (auto set = source->setPromiscuous(true); !set) return std::move(set.error());
  }
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(index);
  if (closed_ || found == entries_.end() || !found->second.wanted || found->second.source) return false;
  if (auto filtered = source->filter(spec_); !filtered) return std::move(filtered.error());
  if (auto received = source->receive(); !received) return std::move(received.error());
  found->second.source = source;
  return true;
}

void PcapTable::reportRefusal(const PcapSource& source, std::vector<Error>& into) {
  const LinkTypeFilter* filter = programFor(spec_, source.linkType());
  if (filter == nullptr || filter->refusal.empty() || !refusalsReported_.insert(filter->linkType).second) return;
  into.push_back(Error{Code::Option, refusalWarning(*filter), 0, "", source.device()});
}

PcapTable::Change PcapTable::follow() {
  Change change;
  while (const auto index = nextAttempt()) {
    const auto note = [&](std::vector<Error> Entry::*list, Error error) {
      std::lock_guard lock(mutex_);
      const auto found = entries_.find(*index);
      if (found != entries_.end()) (found->second.*list).push_back(std::move(error));
    };
    auto opened = open(*index);
    if (!opened) note(&Entry::failures, std::move(opened.error()));
    if (!opened || !*opened) continue;
    const Source source = std::move(*opened);
    if (!source->warning().empty()) {
      note(&Entry::warnings, Error{Code::System, source->warning(), 0, "", source->device()});
    }
    Result<bool> installed = false;
    auto compiled = compileFor(*source);
    if (!compiled) installed = std::move(compiled.error());
    else installed = install(*index, source);
    if (installed && *installed) {
      change.opened.push_back(source);
      continue;
    }
    if (!installed && !isAbsent(installed.error())) note(&Entry::failures, std::move(installed.error()));
    refund(*index);
  }
  std::lock_guard lock(mutex_);
  const bool finallyUsedUp = !memoryMayReturn();
  for (auto& [index, entry] : entries_) {
    if (entry.starved && entry.decided && finallyUsedUp) entry.failures.push_back(starvation(index));
    if (!entry.decided) continue;
    if (entry.source) reportRefusal(*entry.source, change.warnings);
    if (entry.failures.empty() && entry.warnings.empty()) continue;
    const auto failures = std::exchange(entry.failures, {});
    const auto warnings = std::exchange(entry.warnings, {});
    if (std::exchange(entry.reported, true)) continue;
    change.failures.insert(change.failures.end(), failures.begin(), failures.end());
    change.warnings.insert(change.warnings.end(), warnings.begin(), warnings.end());
  }
  for (Ending& one : ending_) {
    if (!std::exchange(one.reported, true)) change.ending.push_back(one.source);
  }
  return change;
}

void PcapTable::close(const Source& source) {
  std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(ending_.begin(), ending_.end(), [&](const Ending& one) { return one.source == source; });
  if (found == ending_.end()) return;
  const PcapStatistics last = source->statistics();
  closedSum_ += last;
  const auto entry = entries_.find(source->index());
  if (found->known && entry != entries_.end()) entry->second.receivedBefore += last.received;
  if (source->index() < kFirstDevice) releaseMemory();
  ending_.erase(found);
}

void PcapTable::abandon(const Source& source) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(source->index());
  if (found != entries_.end() && found->second.source == source) end(found->second, true);
}

void PcapTable::closeAll() {
  std::vector<Source> sources;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [index, entry] : entries_) end(entry, true);
    for (const Ending& one : ending_) sources.push_back(one.source);
    devices_.clear();
  }
  for (const Source& source : sources) close(source);
}

PcapStatistics PcapTable::statistics() {
  std::lock_guard lock(mutex_);
  PcapStatistics sum = closedSum_;
  for (const auto& [index, entry] : entries_) {
    if (entry.source) sum += entry.source->statistics();
  }
  for (const Ending& one : ending_) sum += one.source->statistics();
  return sum;
}

std::uint32_t PcapTable::handles() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const auto& one) { return one.second.source != nullptr; }));
}

std::size_t PcapTable::memoryUsed() const {
  std::lock_guard lock(mutex_);
  return memory_.used();
}

}  // namespace ringtap
