#include "core/record/segment_stream.h"

#include <utility>

#include "core/util/clock.h"

namespace ringtap {

namespace {

using namespace std::chrono_literals;

constexpr auto kStatisticsPeriod = 1s;

}  // namespace

SegmentStream::SegmentStream(std::shared_ptr<FlightMemory> memory, const SegmentCopyOptions& options)
    : memory_(std::move(memory)),
      began_(realNow()),
      copy_(options),
      next_(memory_->end()),
      statisticsDue_(Clock::now()),
      position_(next_.packets) {}

void SegmentStream::finish() {
  last_ = memory_->end();
  finished_ = true;
  memory_->wake();
}

void SegmentStream::cancel() {
  cancelled_ = true;
  memory_->wake();
}

SegmentStream::Counts SegmentStream::counts() const {
  std::lock_guard lock(mutex_);
  Counts counts = counts_;
  const FlightMemory::Rest rest = memory_->restFrom(position_);
  counts.overwritten += rest.overwritten;
  counts.waiting = rest.held;
  return counts;
}

Result<SegmentStream::Piece> SegmentStream::next() {
  const SavefileCounts before = copy_.counts();
  if (!std::exchange(begun_, true)) {
    if (auto begun = copy_.begin(); !begun) return std::move(begun.error());
  }
  const ByteSink& sink = copy_.sink();
  while (!ended_ && sink.size() < kSegmentPiece) {
    const bool finished = finished_;  // read first: its segments are there then, or given up
    FlightMemory::Segment segment;
    if (!finished || next_.number < last_.number) {
      const bool waits = sink.size() == 0;
      segment = memory_->await(next_.number, [&] { return !waits || cancelled_ || finished_; });
    }
    if (cancelled_) {
      if (sink.size() > 0) break;  // counted as read: whoever cancels still gets them
      return Error{Code::Closed, "the reader has gone"};
    }
    if (segment && (!finished || segment->number < last_.number)) {
      auto plain = FlightMemory::unpacked(segment);
      if (!plain) return std::move(plain.error());
      if (auto done = read(**plain); !done) return std::move(done.error());
    } else if (finished) {
      miss(last_);
      statistics();
      copy_.end();
      ended_ = true;
    } else if (sink.size() > 0) {
      break;  // what there is, before it waits
    }
  }
  const SavefileCounts& now = copy_.counts();
  return Piece{std::exchange(copy_.sink(), {}), now.packets - before.packets, now.packetBytes - before.packetBytes,
               counts().taken};
}

Result<> SegmentStream::read(const FlightSegment& segment) {
  miss({segment.number, segment.packetsBefore, segment.before});
  if (auto added = copy_.add(segment); !added) return added;
  next_ = {segment.number + 1, segment.packetsBefore + segment.counts.packets, segment.before};
  for (const DeviceTally& one : segment.devices) next_.ofDevice[one.device] += one.tally.packets;
  std::uint64_t losses = 0;
  {
    std::lock_guard lock(mutex_);
    position_ = next_.packets;
    counts_.taken += segment.counts.packets;
    counts_.lost = copy_.lost();
    counts_.otherLinkType = copy_.otherLinkType();
    losses = counts_.lost + counts_.overwritten;
  }
  if (losses > reported_ && Clock::now() >= statisticsDue_) {
    reported_ = losses;
    statisticsDue_ = Clock::now() + kStatisticsPeriod;
    statistics();
  }
  return {};
}

// The reader goes on from `position`, and the segments between are not held any more.
void SegmentStream::miss(const FlightMemory::Position& position) {
  if (position.packets <= next_.packets) return;
  for (const auto& [device, packets] : position.ofDevice) {
    const std::uint64_t before = next_.ofDevice[device];
    if (packets > before) missed_[device] += packets - before;
  }
  std::lock_guard lock(mutex_);
  counts_.overwritten += position.packets - next_.packets;
  position_ = position.packets;
}

void SegmentStream::statistics() {
  std::map<InterfaceId, std::uint64_t> missed = missed_;
  copy_.statistics(began_, realNow(), [&missed](InterfaceId device, SavefileStatistics& one) {
    const auto found = missed.extract(device);
    if (!found) return;
    // Without counts by interface there is no number of all causes that would be right.
    if (one.dropped) *one.dropped += found.mapped();
    else
      one.comments.push_back(std::to_string(found.mapped()) +
                             " packets of this interface were not read in time by this reader");
  });
}

}  // namespace ringtap
