// Writes what a RecordingStream has encoded to its target: the bytes of each file, up to its cut, and the file's end.
//
// Owner: the Recorder, on its thread.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "core/record/recording_stream.h"
#include "core/record/recording_target.h"
#include "core/savefile/savefile_writer.h"
#include "core/util/result.h"

namespace ringtap {

// No call may follow an error; the cuts of the files that are not complete stay.
class StreamOutput {
 public:
  // Both outlive this. `onComplete` is called after each file that was completed.
  StreamOutput(RecordingStream& stream, RecordingTarget& target, std::function<void()> onComplete)
      : stream_(stream), target_(target), onComplete_(std::move(onComplete)) {}

  // Writes the sink's bytes and completes the files that were cut.
  Result<> flush();
  // Writes the rest and completes the last file, or discards it if there is nothing in it.
  Result<> end();

 private:
  Result<> write(std::size_t from, std::size_t to, const SavefileCounts& counts);
  Result<> complete(const RecordingStream::Cut& cut);

  RecordingStream& stream_;
  RecordingTarget& target_;
  const std::function<void()> onComplete_;
};

}  // namespace ringtap
