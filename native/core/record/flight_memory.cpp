#include "core/record/flight_memory.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/block/overflow_memory.h"
#include "core/savefile/delta_coding.h"
#include "core/savefile/unpack.h"
#include "core/util/clock.h"

namespace ringtap {

namespace {

constexpr std::size_t kLargestSegment = std::size_t{1} << 20;
// The longer a segment is, the more packets of a flow are in it, all but the first of which compress to little.
constexpr std::size_t kLargestPackedSegment = std::size_t{4} << 20;
constexpr std::size_t kSmallestSegment = BlockBytes::kLarge;
// At least, if the memory allows that. Compressed ones are a fraction of their length each.
constexpr std::size_t kSegments = 32;
constexpr std::size_t kPackedSegments = 16;
constexpr std::uint32_t kLongestSegment = 1000;
constexpr std::uint32_t kShortestSegment = 20;
// Of incompressible bytes the compressors make a little more; and they reserve 64 KiB ahead.
constexpr std::size_t kPackingRoom = 128 << 10;
// Descriptions of interfaces and statistics may follow when the packets have filled a segment.
constexpr std::size_t kBeyondSegment = 4096;

// The bounds of what is made of so many bytes.
std::size_t roomForDeltas(std::size_t segment) { return segment + segment / 12 + 64; }
std::size_t roomToPack(std::size_t deltas) { return deltas + deltas / 64 + kPackingRoom; }

// The size to allocate for a segment. Large ones are in pages of their own, which are returned to the system; small
// ones are on the heap.
std::size_t sizeFor(std::size_t length) { return length < BlockBytes::kLarge ? length : PageRange::wholePages(length); }

constexpr std::size_t kMapNode = 64;  // about what an entry of a std::map takes

// What a segment takes of the memory, with `bytes` for its content.
std::size_t charge(const FlightSegment& segment, std::size_t bytes) {
  return bytes + kBlockOverhead + segment.before.size() * kMapNode + segment.devices.size() * sizeof(DeviceTally) +
         segment.lost.size() * sizeof(InterfaceLoss);
}

std::size_t charge(const FlightSegment& segment) { return charge(segment, segment.bytes.size()); }

Error noMemoryForFlight() { return {Code::System, "no memory for the flight recorder", ENOMEM, "mmap"}; }

}  // namespace

std::size_t segmentBytes(const FlightOptions& options) {
  if (options.packing == Packing::None) {
    return std::clamp(options.memory / kSegments, kSmallestSegment, kLargestSegment);
  }
  return std::clamp(options.memory / kPackedSegments, kSmallestSegment, kLargestPackedSegment);
}

std::size_t workingBytes(const FlightOptions& options) {
  const std::size_t segment = segmentBytes(options) + kBeyondSegment;
  if (options.packing == Packing::None) return segment;
  return segment + roomForDeltas(segment) + roomToPack(roomForDeltas(segment));
}

std::uint32_t segmentMilliseconds(const FlightOptions& options) {
  if (options.age.count() == 0) return kLongestSegment;
  const auto share = options.age.count() / static_cast<std::int64_t>(kSegments);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(share, kShortestSegment, kLongestSegment));
}

FlightMemory::FlightMemory(FlightOptions options) : options_(options), began_(realNow()) {}

Result<> FlightMemory::begin() {
  if (options_.packing != Packing::None && !packer_) {
    auto packer = makePacker(options_.packing);
    if (!packer) return std::move(packer.error());
    packer_ = std::move(*packer);
  }
  return allocateBuffers();
}

Result<> FlightMemory::allocateBuffers() {
  const auto allocate = [](ByteSink& sink, std::size_t bytes) {
    if (sink.capacity() > bytes) sink = ByteSink();
    return sink.reserve(bytes);
  };
  const std::size_t segment = segmentBytes(options_) + kBeyondSegment;
  open_.clear();
  deltas_.clear();
  packed_.clear();
  if (!allocate(open_, segment)) return noMemoryForFlight();
  if (!packer_) return {};
  const std::size_t deltas = roomForDeltas(segment);
  return allocate(deltas_, deltas) && allocate(packed_, roomToPack(deltas)) ? Result<>{} : noMemoryForFlight();
}

std::size_t FlightMemory::bufferBytes(const ByteSink& growing, std::size_t bytes) const {
  std::size_t all = 0;
  for (const ByteSink* one : {&open_, &deltas_, &packed_}) all += one == &growing ? bytes : one->capacity();
  return std::max(all, workingBytes(options_));
}

Result<> FlightMemory::enlarge(ByteSink& sink, std::size_t bytes) {
  if (bytes <= sink.capacity()) return {};
  {
    // While its content moves, it has both the old and the new memory.
    const std::size_t needed = bufferBytes(sink, sink.capacity() + std::max(bytes, 2 * sink.capacity()));
    std::lock_guard lock(mutex_);
    while (!segments_.empty() && used_ + needed > options_.memory) dropOldest();
  }
  return sink.reserve(bytes - sink.size()) ? Result<>{} : noMemoryForFlight();
}

Result<> FlightMemory::write(std::span<const std::byte> bytes, const SavefileCounts&) {
  if (auto enlarged = enlarge(open_, open_.size() + bytes.size()); !enlarged) return enlarged;
  std::memcpy(open_.grow(bytes.size()), bytes.data(), bytes.size());
  return {};
}

Result<> FlightMemory::complete(const RecordingStream::Cut& cut) {
  const auto none = [](const InterfaceLoss& loss) { return loss.inRing + loss.byRecorder == 0; };
  if (cut.counts.packets + cut.lostOfAll == 0 && std::all_of(cut.lost.begin(), cut.lost.end(), none)) {
    open_.clear();
    return {};
  }
  auto segment = std::make_shared<FlightSegment>();
  segment->unpackedLength = open_.size();
  segment->packing = options_.packing;
  if (packer_) {
    deltas_.clear();
    packed_.clear();
    if (auto enlarged = enlarge(deltas_, roomForDeltas(open_.size())); !enlarged) return enlarged;
    if (auto encoded = deltaEncode(open_.bytes(), deltas_); !encoded) return encoded;
    segment->encodedLength = deltas_.size();
    if (auto enlarged = enlarge(packed_, roomToPack(deltas_.size())); !enlarged) return enlarged;
    if (auto added = packer_->add(deltas_.bytes(), packed_); !added) return added;
    if (auto ended = packer_->end(packed_); !ended) return ended;
  }
  ByteSink& content = packer_ ? packed_ : open_;
  segment->length = content.size();
  segment->counts = cut.counts;
  segment->lost = cut.lost;
  segment->lostOfAll = cut.lostOfAll;
  segment->devices = cut.devices;
  segment->began = std::exchange(began_, realNow());
  segment->completed = Clock::now();
  std::unique_lock lock(mutex_);
  // Room first, so that there is never more than `memory`; the buffers count as if they were full.
  const std::size_t size = sizeFor(segment->length);
  if (options_.byDevice) segment->before = ofDevice_;
  const std::size_t needed = charge(*segment, size) + bufferBytes(open_, open_.capacity());
  while (!segments_.empty() && used_ + needed > options_.memory) dropOldest();
  lock.unlock();
  segment->bytes = BlockBytes::allocate(size);
  if (!segment->bytes) return noMemoryForFlight();
  std::memcpy(segment->bytes.data(), content.data(), segment->length);
  open_.clear();
  lock.lock();
  segment->number = next_++;
  segment->packetsBefore = counts_.packets;
  if (options_.byDevice) {
    for (const DeviceTally& one : segment->devices) ofDevice_[one.device] += one.tally.packets;
  }
  counts_.packets += segment->counts.packets;
  counts_.packetBytes += segment->counts.packetBytes;
  counts_.bytes += segment->unpackedLength;
  ++counts_.files;
  used_ += charge(*segment);
  segments_.push_back(std::move(segment));
  changed_.notify_all();
  return {};
}

void FlightMemory::dropOldest() {
  used_ -= charge(*segments_.front());
  segments_.pop_front();
}

std::optional<std::chrono::steady_clock::time_point> FlightMemory::workDue() const {
  std::lock_guard lock(mutex_);
  if (options_.age.count() == 0 || segments_.empty()) return std::nullopt;
  return segments_.front()->completed + options_.age;
}

Result<> FlightMemory::work() {
  std::lock_guard lock(mutex_);
  if (options_.age.count() == 0) return {};
  const auto now = Clock::now();
  while (!segments_.empty() && segments_.front()->completed + options_.age <= now) dropOldest();
  return {};
}

TargetCounts FlightMemory::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

FlightMemory::Position FlightMemory::firstSince(std::uint64_t timestamp) const {
  std::lock_guard lock(mutex_);
  for (const Segment& segment : segments_) {
    if (segment->counts.packets > 0 && segment->counts.lastTimestamp >= timestamp) {
      return {segment->number, segment->packetsBefore, segment->before};
    }
  }
  return {next_, counts_.packets, ofDevice_};
}

FlightMemory::Position FlightMemory::end() const {
  std::lock_guard lock(mutex_);
  return {next_, counts_.packets, ofDevice_};
}

FlightMemory::Rest FlightMemory::restFrom(std::uint64_t packetsBefore) const {
  std::lock_guard lock(mutex_);
  const std::uint64_t oldest = segments_.empty() ? counts_.packets : segments_.front()->packetsBefore;
  const std::uint64_t first = std::max(oldest, packetsBefore);
  return {first - packetsBefore, counts_.packets - first};
}

FlightMemory::Segment FlightMemory::find(std::uint64_t number) const {
  if (segments_.empty() || number >= next_) return nullptr;
  const std::uint64_t oldest = segments_.front()->number;
  return segments_[number > oldest ? static_cast<std::size_t>(number - oldest) : 0];
}

FlightMemory::Segment FlightMemory::await(std::uint64_t number, const std::function<bool()>& givenUp) const {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (auto found = find(number)) return found;
    if (givenUp()) return nullptr;
    changed_.wait(lock);
  }
}

Result<FlightMemory::Segment> FlightMemory::unpacked(const Segment& segment) {
  if (!segment || segment->packing == Packing::None) return segment;
  auto bytes = BlockBytes::allocate(segment->unpackedLength);
  if (!bytes) return noMemoryForFlight();
  auto encoded = BlockBytes::allocate(segment->encodedLength);
  if (!encoded) return noMemoryForFlight();
  const std::span<std::byte> deltas(encoded.data(), segment->encodedLength);
  if (auto done = unpack({segment->bytes.data(), segment->length}, segment->packing, deltas); !done) {
    return std::move(done.error());
  }
  if (auto done = deltaDecode(deltas, {bytes.data(), segment->unpackedLength}); !done) return std::move(done.error());
  auto plain = std::make_shared<FlightSegment>();
  plain->bytes = std::move(bytes);
  plain->length = segment->unpackedLength;
  plain->unpackedLength = segment->unpackedLength;
  static_cast<FlightSegmentSummary&>(*plain) = *segment;
  return Segment(std::move(plain));
}

void FlightMemory::wake() {
  std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void FlightMemory::clear() {
  std::lock_guard lock(mutex_);
  while (!segments_.empty()) dropOldest();
}

FlightMemory::Held FlightMemory::held() const {
  std::lock_guard lock(mutex_);
  Held held;
  held.memory = used_;
  for (const Segment& segment : segments_) {
    const SavefileCounts& counts = segment->counts;
    if (counts.packets == 0) continue;
    held.firstTimestamp =
        held.packets == 0 ? counts.firstTimestamp : std::min(held.firstTimestamp, counts.firstTimestamp);
    held.lastTimestamp = std::max(held.lastTimestamp, counts.lastTimestamp);
    held.packets += counts.packets;
  }
  return held;
}

}  // namespace ringtap
