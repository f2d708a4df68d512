#include "core/record/recording_stream.h"

#include <algorithm>

#include "core/util/clock.h"
#include "core/util/link_type.h"

namespace ringtap {

namespace {

constexpr std::size_t kKnownSlots = 256;
constexpr std::uint64_t kNoKey = ~std::uint64_t{0};
// The most bytes of an interface's statistics block at the end of a file.
constexpr std::size_t kStatisticsBytes = 128;
std::uint16_t fileLinkType(std::uint16_t hardwareType) {
  const std::uint16_t linkType = linkTypeOf(hardwareType);
  return linkType == kLinkTypeUnknown ? kLinkTypeUser0 : linkType;
}

std::uint16_t fileLinkType(const Record& record) {
  return record.ownLinkType().value_or(fileLinkType(record.from().sll_hatype));
}

}  // namespace

RecordingStream::RecordingStream(RecordingForm form)
    : form_(std::move(form)), writer_(sink_, form_.file), known_(kKnownSlots), linkType_(form_.linkType) {}

void RecordingStream::start(Sources sources) {
  sources_.emplace(std::move(sources));
  reportedInRing_ = sources_->inRing();
  reportedByRecorder_ = sources_->byRecorder();
  begin();
}

void RecordingStream::begin() {
  writer_.begin();
  interfaces_.clear();
  ids_.clear();
  forgetKnown();
  began_ = realNow();
}

void RecordingStream::forgetKnown() {
  for (Known& known : known_) known.key = kNoKey;
}

void RecordingStream::cut() {
  addStatistics();
  writer_.end();
  cuts_.push_back({sink_.size(), writer_.counts()});
  begin();
}

std::optional<RecordingStream::Clock::time_point> RecordingStream::cutDue() const {
  if (form_.rotateMilliseconds == 0 || writer_.counts().packets == 0) return std::nullopt;
  return firstPacket_ + std::chrono::milliseconds(form_.rotateMilliseconds);
}

void RecordingStream::add(std::byte* block, const TakenBlock& taken) {
  forgetKnown();
  const BlockOrigin origin = taken.origin();
  steady_ = sources_->book.isSteady(origin.block);
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
  if (writer_.counts().packets > 0 && full(writer_.sizeOf(id, record))) {
    cut();
    id = idOf(record, origin);
  }
  if (writer_.counts().packets == 0) firstPacket_ = Clock::now();
  if (writer_.write(id, record)) ++packets_;
}

bool RecordingStream::full(std::size_t further) const {
  if (form_.rotatePackets > 0 && writer_.counts().packets >= form_.rotatePackets) return true;
  if (form_.rotateBytes == 0) return false;
  const std::size_t ending = format() == SavefileFormat::Pcapng ? interfaces_.size() * kStatisticsBytes : 0;
  return writer_.counts().bytes + further + ending > form_.rotateBytes;
}

std::uint32_t RecordingStream::idOf(const Record& record, const BlockOrigin& origin) {
  const sockaddr_ll& from = record.from();
  const auto index = static_cast<std::uint32_t>(from.sll_ifindex);
  const std::uint64_t key =
      std::uint64_t{index} << 32 | std::uint32_t{from.sll_hatype} << 16 | record.ownLinkType().value_or(0);
  Known& known = known_[index % known_.size()];
  if (known.key == key) return known.id;
  const std::uint32_t id = idOf(sources_->book.resolve(index, origin, record.timestamp()), fileLinkType(record));
  if (steady_) known = {key, id};
  return id;
}

std::uint32_t RecordingStream::idOf(std::shared_ptr<const InterfaceInfo> info, std::uint16_t linkType) {
  const InterfaceKey key{info->index, info->generation, info->name, linkType};
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
  if (linkType == kLinkTypeUser0) setUserLinkType(interface, info->hardwareType);
  const std::uint32_t id = writer_.add(interface);
  interfaces_.push_back(std::move(info));
  ids_.emplace(key, id);
  return id;
}

// Writes the losses since the last file's statistics.
void RecordingStream::addStatistics() {
  if (format() != SavefileFormat::Pcapng) return;
  const Losses inRing = sources_->inRing();
  const auto byRecorder = sources_->byRecorder();
  std::map<InterfaceId, Loss> losses;
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
  const std::uint64_t lost = inRing.inRing - std::min(reportedInRing_.inRing, inRing.inRing);
  reportedInRing_.inRing = inRing.inRing;

  // A device with losses but no packets in the file is described as well.
  for (const auto& [device, loss] : losses) {
    const bool there = std::any_of(interfaces_.begin(), interfaces_.end(),
                                   [&device = device](const auto& info) { return info->id() == device; });
    if (there) continue;
    const auto info = sources_->book.latest(device);
    if (info) (void)idOf(info, info->linkType.value_or(fileLinkType(info->hardwareType)));
  }
  // If a device has several interfaces in the file, the last one gets the losses.
  std::vector<Loss> byId(interfaces_.size());
  for (std::size_t id = interfaces_.size(); id-- > 0;) {
    const auto found = losses.extract(interfaces_[id]->id());
    if (found) byId[id] = found.mapped();
  }
  for (std::size_t id = 0; id < interfaces_.size(); ++id) {
    SavefileStatistics statistics;
    statistics.start = began_;
    statistics.end = realNow();
    statistics.delivered = writer_.delivered()[id];
    if (inRing.byDevice || lost == 0) {
      statistics.bySystem = byId[id].inRing;
      statistics.dropped = byId[id].inRing + byId[id].byRecorder;
    } else {
      statistics.comments.push_back(std::to_string(lost) +
                                    " packets were lost in the kernel's ring, of all interfaces together");
      if (byId[id].byRecorder > 0) {
        statistics.comments.push_back(std::to_string(byId[id].byRecorder) +
                                      " packets of this interface were not written in time");
      }
    }
    writer_.statistics(static_cast<std::uint32_t>(id), statistics);
  }
}

}  // namespace ringtap
