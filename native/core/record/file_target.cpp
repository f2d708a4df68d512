#include "core/record/file_target.h"

#include <algorithm>
#include <utility>

namespace ringtap {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxEvents = 65'536;
constexpr std::size_t kMemberBytes = std::size_t{1} << 20;
constexpr auto kMemberTime = 1s;

}  // namespace

Result<std::shared_ptr<FileTarget>> FileTarget::open(FileSetOptions files, const SavefileForm& form, Packing packing) {
  auto packer = makePacker(packing);
  if (!packer) return std::move(packer.error());
  std::shared_ptr<FileTarget> self(new FileTarget(std::move(files), form, std::move(*packer)));
  if (auto begun = self->begin(); !begun) return std::move(begun.error());
  return self;
}

Result<> FileTarget::write(std::span<const std::byte> bytes, const SavefileCounts& counts) {
  if (packer_) {
    if (member_ == 0) memberBegan_ = Clock::now();
    if (auto added = packer_->add(bytes, packed_); !added) return added;
    member_ += bytes.size();
    withMember_ = counts;
    return member_ >= kMemberBytes ? endMember() : Result<>{};
  }
  const std::uint64_t before = files_.written();
  if (auto written = files_.write(bytes); !written) {
    keepWhole(bytes, before);
    return written;
  }
  count(counts, bytes.size());
  return {};
}

Result<> FileTarget::endMember() {
  if (member_ == 0) return {};
  member_ = 0;
  if (auto ended = packer_->end(packed_); !ended) return ended;
  const std::uint64_t before = files_.written();
  if (auto written = files_.write(packed_.bytes()); !written) {
    (void)!files_.shorten(before).ok();
    return written;
  }
  withMember_.bytes = files_.written();
  count(withMember_, packed_.size());
  packed_.clear();
  return {};
}

FileTarget::Clock::time_point FileTarget::memberDue() const {
  return member_ == 0 ? Clock::time_point::max() : memberBegan_ + kMemberTime;
}

std::optional<std::chrono::steady_clock::time_point> FileTarget::workDue() const {
  const auto due = std::min(memberDue(), files_.syncDue().value_or(Clock::time_point::max()));
  return due == Clock::time_point::max() ? std::nullopt : std::optional(due);
}

Result<> FileTarget::work() {
  if (Clock::now() >= memberDue()) {
    if (auto ended = endMember(); !ended) return ended;
  }
  return files_.syncIfDue();
}

// Cuts the file, of which `before` bytes are whole, at the last whole block or record of those that followed.
void FileTarget::keepWhole(std::span<const std::byte> bytes, std::uint64_t before) {
  const auto length = static_cast<std::size_t>(files_.written() - before);
  const WholePart whole = format_ == SavefileFormat::Pcapng
                              ? wholeBlocks(bytes, length)
                              : wholePcapRecords(bytes, length, before == 0, nanoseconds_);
  (void)!files_.shorten(before + whole.bytes).ok();
  SavefileCounts kept = flushed_;
  if (whole.packets > 0) {
    kept.firstTimestamp =
        kept.packets == 0 ? whole.firstTimestamp : std::min(kept.firstTimestamp, whole.firstTimestamp);
    kept.lastTimestamp = std::max(kept.lastTimestamp, whole.lastTimestamp);
  }
  kept.packets += whole.packets;
  kept.packetBytes += whole.packetBytes;
  kept.bytes += whole.bytes;
  count(kept, whole.bytes);
}

// The current file has these contents now, `bytes` of them new.
void FileTarget::count(const SavefileCounts& counts, std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  counts_.packets += counts.packets - flushed_.packets;
  counts_.packetBytes += counts.packetBytes - flushed_.packetBytes;
  counts_.bytes += bytes;
  flushed_ = counts;
}

Result<> FileTarget::complete(const RecordingStream::Cut& cut) {
  SavefileCounts counts = cut.counts;
  if (packer_) {
    if (auto ended = endMember(); !ended) return ended;
    counts.bytes = files_.written();
  }
  if (auto finished = finish(counts); !finished) return finished;  // fail() needs what was written
  flushed_ = {};
  return {};
}

Result<> FileTarget::finish(const SavefileCounts& counts) {
  auto path = files_.complete();
  if (!path) return std::move(path.error());
  std::lock_guard lock(mutex_);
  ++counts_.files;
  completeFiles_.push_back({std::move(*path), counts});
  if (completeFiles_.size() > kMaxEvents && !held_) completeFiles_.pop_front();
  return {};
}

void FileTarget::fail() {
  if (!files_.begun()) return;
  if (flushed_.packets == 0) files_.discard();
  else (void)!finish(flushed_).ok();
}

TargetCounts FileTarget::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

std::optional<CompleteFile> FileTarget::nextFile() {
  std::lock_guard lock(mutex_);
  if (completeFiles_.empty()) return std::nullopt;
  CompleteFile file = std::move(completeFiles_.front());
  completeFiles_.pop_front();
  return file;
}

}  // namespace ringtap
