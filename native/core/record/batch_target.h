// A recording's files as batches in memory, which JavaScript takes one after the other.
//
// Bounded: while the batches that wait use up the memory, the recorder takes no further blocks. Blocks then wait in the
// ring and in overflow memory. What is beyond the limit is one more batch, and what one block holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "core/record/recording_target.h"
#include "core/savefile/byte_sink.h"
#include "core/savefile/pack.h"

namespace ringtap {

struct BatchOptions {
  std::size_t bytes = 0;   // of a batch before it is compressed, about
  std::size_t memory = 0;  // for batches that wait
  Packing packing = Packing::None;
};

struct Batch {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t length = 0;
  SavefileCounts counts;
  LossCauses losses;  // until the end of this batch, since the capture was opened
  std::vector<DeviceTally> devices;
};

class BatchTarget final : public RecordingTarget {
 public:
  // Begins the first batch. Errors as makePacker().
  [[nodiscard]] static Result<std::shared_ptr<BatchTarget>> open(BatchOptions options);

  Result<> begin() override;
  Result<> write(std::span<const std::byte> bytes, const SavefileCounts& counts) override;
  Result<> complete(const RecordingStream::Cut& cut) override;
  [[nodiscard]] bool keepsEmpty(const RecordingStream::Cut& cut) const override { return cut.losses != losses_; }
  void discard() override { out_.clear(); }
  void fail() override { out_.clear(); }
  [[nodiscard]] bool hasRoom() const override;
  [[nodiscard]] bool lasting() const override { return false; }
  [[nodiscard]] std::vector<DeviceTally> takeBack() override;
  [[nodiscard]] TargetCounts counts() const override;

  // Takes the oldest batch. Thread-safe; call Recorder::resume() after it.
  [[nodiscard]] std::optional<Batch> next();

 private:
  BatchTarget(BatchOptions options, std::unique_ptr<Packer> packer) : options_(options), packer_(std::move(packer)) {}

  const BatchOptions options_;
  const std::unique_ptr<Packer> packer_;  // null: batches are not compressed
  ByteSink out_;                          // the batch in progress
  LossCauses losses_;                     // until the end of the last batch

  mutable std::mutex mutex_;
  std::deque<Batch> waiting_;
  std::size_t used_ = 0;  // bytes of `waiting_`
  TargetCounts counts_;
};

}  // namespace ringtap
