#include "core/record/batch_target.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ringtap {

namespace {

// Charged per batch in addition to its bytes, so that the number of small batches is bounded too.
constexpr std::size_t kBatchOverhead = 1024;
// Reserved ahead of a batch's first bytes; larger batches grow.
constexpr std::size_t kFirstReserve = std::size_t{1} << 20;

Error noMemoryForBatch() { return {Code::System, "no memory for a batch", ENOMEM, "malloc"}; }

std::size_t charge(const Batch& batch) { return batch.length + kBatchOverhead; }

}  // namespace

Result<std::shared_ptr<BatchTarget>> BatchTarget::open(BatchOptions options) {
  auto packer = makePacker(options.packing);
  if (!packer) return std::move(packer.error());
  std::shared_ptr<BatchTarget> self(new BatchTarget(options, std::move(*packer)));
  if (auto begun = self->begin(); !begun) return std::move(begun.error());
  return self;
}

Result<> BatchTarget::begin() {
  if (!packer_ && !out_.reserve(std::min(options_.bytes, kFirstReserve))) return noMemoryForBatch();
  return {};
}

Result<> BatchTarget::write(std::span<const std::byte> bytes, const SavefileCounts&) {
  if (packer_) return packer_->add(bytes, out_);
  if (!out_.reserve(bytes.size())) return noMemoryForBatch();
  std::memcpy(out_.grow(bytes.size()), bytes.data(), bytes.size());
  return {};
}

Result<> BatchTarget::complete(const RecordingStream::Cut& cut) {
  if (packer_) {
    if (auto ended = packer_->end(out_); !ended) return ended;
  }
  Batch batch;
  batch.length = out_.size();
  batch.bytes = out_.release();
  if (!batch.bytes) return noMemoryForBatch();
  batch.counts = cut.counts;
  batch.losses = losses_ = cut.losses;
  batch.devices = cut.devices;
  std::lock_guard lock(mutex_);
  counts_.packets += batch.counts.packets;
  counts_.packetBytes += batch.counts.packetBytes;
  counts_.bytes += batch.length;
  ++counts_.files;
  used_ += charge(batch);
  waiting_.push_back(std::move(batch));
  return {};
}

bool BatchTarget::hasRoom() const {
  std::lock_guard lock(mutex_);
  return waiting_.empty() || used_ + options_.bytes <= options_.memory;
}

std::optional<Batch> BatchTarget::next() {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  Batch batch = std::move(waiting_.front());
  waiting_.pop_front();
  used_ -= charge(batch);
  return batch;
}

std::vector<DeviceTally> BatchTarget::takeBack() {
  std::vector<DeviceTally> tallies;
  std::lock_guard lock(mutex_);
  for (const Batch& batch : waiting_) tallies.insert(tallies.end(), batch.devices.begin(), batch.devices.end());
  waiting_.clear();
  used_ = 0;
  return tallies;
}

TargetCounts BatchTarget::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace ringtap
