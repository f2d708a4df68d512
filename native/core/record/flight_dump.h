// Writes a span of what a flight recorder keeps as one pcapng section: from what is in its memory, and from what comes
// until the span ends. Any number of dumps read the same memory, each at its own pace.
//
// A segment that the memory has given up before the dump came to it is missing; its packets are counted. The losses in
// the statistics are those of the segments that the span touches, which last a second at most.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/record/flight_memory.h"
#include "core/record/segment_copy.h"

namespace ringtap {

struct FlightDumpCounts {
  SavefileCounts written;
  std::uint64_t lost = 0;         // in the span, of the interfaces in it, as in the statistics
  std::uint64_t overwritten = 0;  // packets of segments that the memory gave up before they were read
  std::vector<std::string> warnings;
};

class FlightDump {
 public:
  // `options`: from and to are the span; pcapng.
  FlightDump(std::shared_ptr<FlightMemory> memory, const SegmentCopyOptions& options);

  // The next bytes of the file, about a megabyte and a segment at most; none at its end. Waits while the span lasts.
  // One thread at a time. FilterSyntax and others as SegmentCopy; Closed after cancel().
  Result<ByteSink> next();
  // After a call of next(), with `selecting`: the interface that answer() has to be called for before the next call.
  // The file has not ended then, even if next() returned nothing. Not beside next().
  [[nodiscard]] const std::optional<FileInterface>& question() const { return question_; }
  void answer(bool selected);
  [[nodiscard]] std::uint64_t from() const { return from_; }
  [[nodiscard]] std::uint64_t to() const { return to_; }
  // After the end.
  [[nodiscard]] FlightDumpCounts counts() const;

  // The span has ended: all of its packets are in segments. On any thread; call it once.
  void finish();
  // Makes next() return. Thread-safe.
  void cancel();

 private:
  Result<> begin();
  Result<> unpack(const FlightMemory::Segment& segment);
  Result<> read(const FlightSegment& segment);
  void end();

  const std::shared_ptr<FlightMemory> memory_;
  const std::uint64_t from_, to_;
  const bool selecting_;
  SegmentCopy copy_;
  std::optional<FileInterface> question_;
  FlightMemory::Segment current_;  // the one being read, unpacked
  FlightMemory::Position next_;
  std::uint64_t began_ = 0;  // of the first segment
  std::atomic<bool> finished_{false};
  FlightMemory::Position last_;  // where the span ends, once finished_
  std::atomic<bool> cancelled_{false};
  bool begun_ = false, ended_ = false;
  std::uint64_t overwritten_ = 0;
};

}  // namespace ringtap
