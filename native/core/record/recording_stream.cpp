#include "core/record/recording_stream.h"

#include <algorithm>

#include "core/savefile/savefile_format.h"
#include "core/util/clock.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

constexpr std::size_t kKnownSlots = 256;
constexpr std::uint64_t kNoKey = ~std::uint64_t{0};
// The most bytes of an interface's statistics block at the end of a file.
constexpr std::size_t kStatisticsBytes = 128;
// Of a key log that a file repeats: about 70 connections of TLS 1.3. Most are of connections that began in an earlier
// file.
constexpr std::uint64_t kRepeatedSecrets = 65'536;

// At most a quarter of a file.
std::size_t repeatedSecrets(const RecordingForm& form) {
  return form.rotateBytes == 0 ? kRepeatedSecrets : std::min(kRepeatedSecrets, form.rotateBytes / 4);
}

std::uint16_t fileLinkType(std::uint16_t hardwareType) {
  const std::uint16_t linkType = linkTypeOf(hardwareType);
  return linkType == kLinkTypeUnknown ? kLinkTypeUser0 : linkType;
}

std::uint16_t fileLinkType(const Record& record) {
  return record.ownLinkType().value_or(fileLinkType(record.from().sll_hatype));
}

}  // namespace

RecordingStream::RecordingStream(RecordingForm form)
    : form_(std::move(form)),
      writer_(sink_, form_.file),
      known_(kKnownSlots),
      linkType_(form_.linkType),
      secrets_(repeatedSecrets(form_)) {}

void RecordingStream::start(Sources sources, bool sinceOpening) {
  sources_.emplace(std::move(sources));
  if (!sinceOpening) {
    reportedInRing_ = sources_->inRing();
    reportedByRecorder_ = sources_->byRecorder();
  }
  begin();
}

void RecordingStream::begin() {
  writer_.begin();
  if (!secrets_.lines().empty()) writer_.block(savefile::kDecryptionSecrets, keyLogBlock(secrets_.lines()));
  interfaces_.clear();
  ids_.clear();
  forgetKnown();
  began_ = realNow();
}

void RecordingStream::forgetKnown() {
  for (Known& known : known_) known.key = kNoKey;
}

void RecordingStream::addSecrets(std::span<const std::uint8_t> lines) {
  if (format() == SavefileFormat::Pcap) return;
  writer_.block(savefile::kDecryptionSecrets, keyLogBlock(lines));
  secrets_.add(lines);
}

void RecordingStream::cut() {
  const Losses losses = sources_->inRing();
  Cut cut{.end = 0, .counts = {}, .losses = losses.causes, .devices = {}, .lost = {}, .lostOfAll = 0};
  addStatistics(losses, cut);
  writer_.end();
  cut.end = sink_.size();
  cut.counts = writer_.counts();
  for (std::size_t id = 0; id < interfaces_.size(); ++id) {
    cut.devices.push_back({interfaces_[id]->id(), writer_.delivered()[id]});
  }
  cuts_.push_back(std::move(cut));
  begin();
}

std::optional<RecordingStream::Clock::time_point> RecordingStream::cutDue() const {
  if (form_.rotateMilliseconds == 0 || writer_.counts().packets == 0) return std::nullopt;
  return firstPacket_ + std::chrono::milliseconds(form_.rotateMilliseconds);
}

void RecordingStream::add(std::byte* block, const TakenBlock& taken) {
  forgetKnown();
  const BlockOrigin origin = taken.origin();
  const ReductionLog* reductions = sources_->reductions;
  steady_ = sources_->book.isSteady(origin.block) && (reductions == nullptr || reductions->isSteady(origin.block));
  walkIndex(block, taken.summary.packets, [&](const Record& record) { add(record, origin); });
}

void RecordingStream::add(const Record& record, const BlockOrigin& origin) {
  if (format() == SavefileFormat::Pcap) {
    const std::uint16_t linkType = fileLinkType(record);
    if (linkType_ == 0) linkType_ = linkType;
    if (linkType != linkType_) {
      ++otherLinkType_;
      return;
    }
  }
  std::uint32_t id = idOf(record, origin);
  std::span<const std::byte> options;
  if (sources_->owners != nullptr) options = sources_->owners->optionsOf(record);
  if (writer_.counts().packets > 0 && full(writer_.sizeOf(id, record, options.size()))) {
    cut();
    id = idOf(record, origin);
  }
  if (writer_.counts().packets == 0) firstPacket_ = Clock::now();
  if (writer_.write(id, record, {}, options)) ++packets_;
}

bool RecordingStream::full(std::size_t further) const {
  if (form_.rotatePackets > 0 && writer_.counts().packets >= form_.rotatePackets) return true;
  if (form_.rotateBytes == 0) return false;
  const std::size_t ending = format() == SavefileFormat::Pcapng ? interfaces_.size() * kStatisticsBytes : 0;
  return writer_.counts().bytes + further + ending > form_.rotateBytes;
}

std::uint32_t RecordingStream::idOf(const Record& record, const BlockOrigin& origin) {
  const RecordAddress& from = record.from();
  const auto index = static_cast<std::uint32_t>(from.sll_ifindex);
  const std::uint64_t key =
      std::uint64_t{index} << 32 | std::uint32_t{from.sll_hatype} << 16 | record.ownLinkType().value_or(0);
  Known& known = known_[index % known_.size()];
  if (known.key == key) return known.id;
  const auto reduction =
      sources_->reductions == nullptr ? nullptr : sources_->reductions->at(origin.block, record.timestamp());
  const std::uint32_t id = idOf(sources_->book.resolve(index, origin, record.timestamp()), fileLinkType(record),
                                reduction ? *reduction : Reduction());
  if (steady_) known = {key, id};
  return id;
}

std::uint32_t RecordingStream::idOf(std::shared_ptr<const InterfaceInfo> info, std::uint16_t linkType,
                                    const Reduction& reduction) {
  const InterfaceKey key{info->index, info->generation, info->name, linkType, reduction};
  if (const auto found = ids_.find(key); found != ids_.end()) return found->second;
  SavefileInterface interface;
  interface.name = info->name;
  interface.description = info->kind;
  interface.linkType = linkType;
  interface.snapLength = form_.file.snapLength;
  interface.address = info->address;
  interface.addresses = info->addresses;
  interface.speed = info->name.empty() ? 0 : sources_->speed(info->name);
  interface.filter = sources_->filter();
  interface.comments = reduction;
  if (linkType == kLinkTypeUser0) setUserLinkType(interface, info->hardwareType);
  const std::uint32_t id = writer_.add(interface);
  interfaces_.push_back(std::move(info));
  ids_.emplace(key, id);
  return id;
}

// The losses since the last file's statistics, by interface number.
std::vector<InterfaceLoss> RecordingStream::newLosses(const Losses& inRing) {
  const auto byRecorder = sources_->byRecorder();
  std::map<InterfaceId, InterfaceLoss> losses;
  for (const auto& [device, count] : inRing.ofDevice) {
    std::uint64_t& reported = reportedInRing_.ofDevice[device];
    if (count <= reported) continue;
    losses[device].inRing = count - reported;
    reported = count;
  }
  for (const auto& [device, count] : byRecorder) {
    std::uint64_t& reported = reportedByRecorder_[device];
    if (count > reported) losses[device].byRecorder = count - reported;
    reported = count;
  }
  // A device with losses but no packets in the file is described as well.
  for (const auto& [device, loss] : losses) {
    const bool there = std::any_of(interfaces_.begin(), interfaces_.end(),
                                   [&device = device](const auto& info) { return info->id() == device; });
    if (there) continue;
    const auto info = sources_->book.latest(device);
    if (!info) continue;
    const auto reduction = sources_->reductions == nullptr ? nullptr : sources_->reductions->latest();
    (void)idOf(info, info->linkType.value_or(fileLinkType(info->hardwareType)), reduction ? *reduction : Reduction());
  }
  // If a device has several interfaces in the file, the last one gets the losses.
  std::vector<InterfaceLoss> byId(interfaces_.size());
  for (std::size_t id = interfaces_.size(); id-- > 0;) {
    const auto found = losses.extract(interfaces_[id]->id());
    if (found) byId[id] = found.mapped();
  }
  return byId;
}

// Writes the losses since the last file's statistics.
void RecordingStream::addStatistics(const Losses& inRing, Cut& cut) {
  if (format() != SavefileFormat::Pcapng) return;
  cut.lost = newLosses(inRing);
  const std::uint64_t lost = inRing.inRing - std::min(reportedInRing_.inRing, inRing.inRing);
  reportedInRing_.inRing = inRing.inRing;
  if (!inRing.byDevice) cut.lostOfAll = lost;
  for (std::size_t id = 0; id < interfaces_.size(); ++id) {
    SavefileStatistics statistics;
    statistics.start = began_;
    statistics.end = realNow();
    statistics.delivered = writer_.delivered()[id].packets;
    addLosses(statistics, cut.lost[id], cut.lostOfAll);
    writer_.statistics(static_cast<std::uint32_t>(id), statistics);
  }
}

void addLosses(SavefileStatistics& statistics, const InterfaceLoss& loss, std::uint64_t lostOfAll) {
  if (lostOfAll == 0) {
    statistics.bySystem = loss.inRing;
    statistics.dropped = loss.inRing + loss.byRecorder;
    return;
  }
  statistics.comments.push_back(std::to_string(lostOfAll) +
                                " packets were lost in the kernel's ring, of all interfaces together");
  if (loss.byRecorder > 0) {
    statistics.comments.push_back(std::to_string(loss.byRecorder) +
                                  " packets of this interface were not written in time");
  }
}

}  // namespace ringtap
