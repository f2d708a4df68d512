// A savefile without an end for one reader: the segments that a recorder keeps from a moment on, as long as the
// recorder goes on. A reader that is slower than the traffic misses the segments that the memory has given up before it
// came to them; their packets are counted for it alone.
//
// In pcapng, statistics of all interfaces follow on each loss, at most once a second, and end the file. They are since
// the beginning.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "core/record/flight_memory.h"
#include "core/record/segment_copy.h"

namespace ringtap {

class SegmentStream {
 public:
  struct Piece {
    ByteSink bytes;
    std::uint64_t packets = 0, packetBytes = 0;
    std::uint64_t taken = 0;  // Counts::taken at its end
  };
  struct Counts {
    std::uint64_t overwritten = 0;    // packets that this reader has missed; before the filter
    std::uint64_t waiting = 0;        // packets that are held for it; before the filter
    std::uint64_t taken = 0;          // packets of the pieces so far, and of the one being made; before the filter
    std::uint64_t lost = 0;           // packets lost before they were held, as in the statistics
    std::uint64_t otherLinkType = 0;  // pcap
  };

  SegmentStream(std::shared_ptr<FlightMemory> memory, const SegmentCopyOptions& options);

  // The next bytes of the file, about a megabyte and a segment at most; none at its end. Waits for packets. One thread
  // at a time. Errors as SegmentCopy; Closed after cancel(), once it has returned what it had read by then.
  Result<Piece> next();
  // Thread-safe.
  [[nodiscard]] Counts counts() const;
  // The file ends with what is in the memory now. On any thread; call it once.
  void finish();
  // Makes next() return. Thread-safe.
  void cancel();

 private:
  using Clock = std::chrono::steady_clock;
  Result<> read(const FlightSegment& segment);
  void miss(const FlightMemory::Position& before);
  void statistics();

  const std::shared_ptr<FlightMemory> memory_;
  const std::uint64_t began_;
  std::atomic<bool> finished_{false};
  FlightMemory::Position last_;  // where the file ends, once finished_
  std::atomic<bool> cancelled_{false};

  // Used by next() only.
  SegmentCopy copy_;
  FlightMemory::Position next_;
  std::map<InterfaceId, std::uint64_t> missed_;  // by device
  std::uint64_t reported_ = 0;                   // losses in the last statistics
  Clock::time_point statisticsDue_;
  bool begun_ = false, ended_ = false;

  mutable std::mutex mutex_;
  Counts counts_;               // without `waiting`
  std::uint64_t position_ = 0;  // packets in all segments before the next one
};

}  // namespace ringtap
