// A recording's files on the disk.
//
// After an error a file keeps its whole blocks or records. A compressed file consists of gzip members or zstd frames,
// each of whole blocks or records and readable alone: one ends when it has a megabyte before compression, or after a
// second. So a file that is not complete can be read up to the last one, and after an error it keeps those.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "core/record/recording_target.h"
#include "core/savefile/byte_sink.h"
#include "core/savefile/file_set.h"
#include "core/savefile/pack.h"

namespace ringtap {

class FileTarget final : public RecordingTarget {
 public:
  // Begins the first file, of this form. Errors also as makePacker().
  [[nodiscard]] static Result<std::shared_ptr<FileTarget>> open(FileSetOptions files, const SavefileForm& form = {},
                                                                Packing packing = Packing::None);

  Result<> begin() override { return files_.begin(); }
  Result<> write(std::span<const std::byte> bytes, const SavefileCounts& counts) override;
  Result<> complete(const RecordingStream::Cut& cut) override;
  [[nodiscard]] bool keepsEmpty(const RecordingStream::Cut&) const override { return counts().files == 0; }
  void discard() override { files_.discard(); }
  void fail() override;
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> workDue() const override;
  Result<> work() override;
  void hurry() override { files_.hurry(); }
  [[nodiscard]] bool lasting() const override { return true; }
  [[nodiscard]] TargetCounts counts() const override;

  // Takes the next completed file, in order. Thread-safe.
  [[nodiscard]] std::optional<CompleteFile> nextFile();
  // Thread-safe; may block for the disk. See KeptFiles.
  void release() { files_.release(); }

 private:
  using Clock = std::chrono::steady_clock;
  FileTarget(FileSetOptions files, const SavefileForm& form, std::unique_ptr<Packer> packer)
      : format_(form.format),
        nanoseconds_(form.nanoseconds),
        held_(files.held),
        packer_(std::move(packer)),
        files_(std::move(files)) {}
  Result<> endMember();
  [[nodiscard]] Clock::time_point memberDue() const;
  void keepWhole(std::span<const std::byte> bytes, std::uint64_t before);
  void count(const SavefileCounts& counts, std::uint64_t bytes);
  Result<> finish(const SavefileCounts& counts);

  const SavefileFormat format_;
  const bool nanoseconds_;
  const bool held_;
  const std::unique_ptr<Packer> packer_;  // null: files are not compressed
  FileSet files_;
  SavefileCounts flushed_;  // of the current file, up to what was written to it
  // The gzip member or zstd frame in progress: its bytes before compression, when it began, what is complete of it, and
  // the file's counts including it.
  std::size_t member_ = 0;
  Clock::time_point memberBegan_;
  ByteSink packed_;
  SavefileCounts withMember_;

  mutable std::mutex mutex_;
  std::deque<CompleteFile> completeFiles_;
  TargetCounts counts_;
};

}  // namespace ringtap
