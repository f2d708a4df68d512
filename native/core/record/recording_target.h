// Where the files of a recording go: to the disk (file_target.h), or into memory for JavaScript (batch_target.h).
//
// Owner: the Recorder, which calls everything but counts(), hasRoom() and hurry() on its thread; those are thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "core/record/recording_stream.h"
#include "core/savefile/savefile_writer.h"
#include "core/util/result.h"

namespace ringtap {

struct TargetCounts {
  std::uint64_t packets = 0;      // that reached the target
  std::uint64_t packetBytes = 0;  // captured bytes of these packets
  std::uint64_t bytes = 0;        // of files
  std::uint64_t files = 0;        // completed
};

class RecordingTarget {
 public:
  virtual ~RecordingTarget() = default;

  // Begins the next file.
  virtual Result<> begin() = 0;
  // Appends to the file: whole blocks or records. `counts`: the file's, including these bytes.
  virtual Result<> write(std::span<const std::byte> bytes, const SavefileCounts& counts) = 0;
  // Completes the file.
  virtual Result<> complete(const RecordingStream::Cut& cut) = 0;
  // Whether the last file is worth completing although it has neither packets nor statistics.
  [[nodiscard]] virtual bool keepsEmpty(const RecordingStream::Cut& cut) const = 0;
  // Whether files without packets may be completed at any time.
  [[nodiscard]] virtual bool takesEmpty() const { return false; }
  // Drops the file in progress, if there is one.
  virtual void discard() = 0;
  // Called after an error of the functions above, which is the last call: keeps what can be kept.
  virtual void fail() = 0;

  // When work() is due although nothing is written; nullopt: not at all.
  [[nodiscard]] virtual std::optional<std::chrono::steady_clock::time_point> workDue() const { return std::nullopt; }
  virtual Result<> work() { return {}; }
  // Whether another block may be written. If not, the recorder has to be resumed (Recorder::resume()).
  [[nodiscard]] virtual bool hasRoom() const { return true; }
  // The capture is closed: what cannot be written soon is given up.
  virtual void hurry() {}
  // Whether the files outlive the capture. If not, they are given up when it is closed.
  [[nodiscard]] virtual bool lasting() const = 0;
  // Empties the target and returns what the packets in it were; for one that is not lasting.
  [[nodiscard]] virtual std::vector<DeviceTally> takeBack() { return {}; }

  [[nodiscard]] virtual TargetCounts counts() const = 0;
};

}  // namespace ringtap
