#include "core/record/flight_dump.h"

#include <algorithm>
#include <utility>

#include "core/util/clock.h"

namespace ringtap {

FlightDump::FlightDump(std::shared_ptr<FlightMemory> memory, const SegmentCopyOptions& options)
    : memory_(std::move(memory)),
      from_(options.from),
      to_(options.to),
      selecting_(options.selecting),
      copy_(options),
      next_(memory_->firstSince(options.from)) {}

void FlightDump::finish() {
  last_ = memory_->end();
  finished_ = true;
  memory_->wake();
}

void FlightDump::cancel() {
  cancelled_ = true;
  memory_->wake();
}

Result<ByteSink> FlightDump::next() {
  if (auto begun = begin(); !begun) return std::move(begun.error());
  const ByteSink& sink = copy_.sink();
  while (!ended_ && sink.size() < kSegmentPiece) {
    const bool finished = finished_;  // read first: its segments are there then, or given up
    FlightMemory::Segment segment;
    if (!finished || next_.number < last_.number) {
      const bool waits = sink.size() == 0;
      segment = memory_->await(next_.number, [&] { return !waits || cancelled_ || finished_; });
    }
    if (cancelled_) return Error{Code::Closed, "the dump was cancelled"};
    if (segment && (!finished || segment->number < last_.number)) {
      if (auto plain = unpack(segment); !plain) return std::move(plain.error());
      if (selecting_) question_ = copy_.undecided(*current_);
      if (question_) break;
      if (auto done = read(*current_); !done) return std::move(done.error());
      current_.reset();
    } else if (finished) {
      end();
    } else if (sink.size() > 0) {
      break;  // what there is, before it waits
    }
  }
  return std::exchange(copy_.sink(), {});
}

void FlightDump::answer(bool selected) {
  if (!question_) return;
  question_.reset();
  copy_.decide(selected);
}

Result<> FlightDump::begin() {
  if (std::exchange(begun_, true)) return {};
  return copy_.begin();
}

// Once, however many interfaces of the segment are asked about.
Result<> FlightDump::unpack(const FlightMemory::Segment& segment) {
  if (current_ && current_->number == segment->number) return {};
  auto plain = FlightMemory::unpacked(segment);
  if (!plain) return std::move(plain.error());
  current_ = std::move(*plain);
  return {};
}

Result<> FlightDump::read(const FlightSegment& segment) {
  overwritten_ += segment.packetsBefore - next_.packets;
  next_ = {segment.number + 1, segment.packetsBefore + segment.counts.packets};
  if (began_ == 0) began_ = segment.began;
  return copy_.add(segment);
}

void FlightDump::end() {
  ended_ = true;
  if (next_.packets < last_.packets) overwritten_ += last_.packets - next_.packets;
  copy_.statistics(std::max(from_, began_), std::min(to_, realNow()), [this](InterfaceId, SavefileStatistics& one) {
    if (overwritten_ == 0) return;
    one.comments.push_back(std::to_string(overwritten_) +
                           " packets of all interfaces were overwritten in memory before they were dumped");
  });
}

FlightDumpCounts FlightDump::counts() const { return {copy_.counts(), copy_.lost(), overwritten_, copy_.warnings()}; }

}  // namespace ringtap
